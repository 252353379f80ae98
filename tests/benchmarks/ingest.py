"""Benchmark: webhooks that are durable before the answer, against less work and against more."""

from __future__ import annotations

import statistics
import tempfile
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import psycopg

from cli.serving.room import workers
from tests.benchmarks import merchants
from tests.benchmarks.bodies import SECRET, deliveries, request
from tests.benchmarks.load import drive
from tests.benchmarks.measure import ROUNDS, Result, medians, seconds
from tests.benchmarks.parts import measured, medians_us, of_processes_us, port_of, told
from tests.benchmarks.plain_handler import serve_plainly
from tests.benchmarks.sending import SENT_BY, per_s
from tests.benchmarks.servers import (
    Served,
    made,
    real,
    serving,
    shared,
    transaction_a_request,
    verifying_only,
)
from tests.support import program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from domain.delivery import Delivery
    from tests.benchmarks.parts import Round
    from tests.support.program import Program

_WEBHOOKS: Final = {1: 400, 8: 1_600, 64: 4_000}
"""How many so many clients send in a round."""
_OLD: Final = {1: 200, 8: 600, 64: 1_600}
"""The same of old subscriptions, of which there are only so many."""
_PER_S_TARGETS: Final = {8: 0.3, 64: 0.5}
_PROCESSOR_TARGETS: Final = {8: 3.0, 64: 3.0}
_VERIFIED: Final = 4_000
"""So many at least are verified in a round: processor time is counted in ticks of 10 ms."""
_COMMITS_TARGET: Final = 3
_REQUESTS_EACH_BY_ITSELF: Final = 600
_PLAIN: Final = "CREATE TABLE plain (position bigserial PRIMARY KEY, state bytea)"
_INSERT: Final = "INSERT INTO plain (state) VALUES (%b)"


class _Yardstick(NamedTuple):
    """What only verifies: the words of the two lines that compare with it, and the server."""

    per_s: str
    processor: str
    server: Served


@dataclass
class _Taken:
    """What rounds told of one server that only verifies: webhooks a second, and µs for each."""

    per_s: list[float] = field(default_factory=list)
    us: list[float] = field(default_factory=list)


@dataclass
class _Compared:
    """What rounds told of the server as it comes, and of those that only verify."""

    kept: list[Round] = field(default_factory=list)
    verified: dict[_Yardstick, _Taken] = field(default_factory=lambda: defaultdict(_Taken))

    def results(self, what: str, clients: int) -> Iterator[Result]:
        """Compare medians."""
        kept = statistics.median(one.per_s for one in self.kept)
        parts = medians_us([one.parts_us for one in self.kept])
        counted = f"{clients} client{'s' if clients > 1 else ''}, {what}"
        for yardstick, taken in self.verified.items():
            per_s, us = statistics.median(taken.per_s), statistics.median(taken.us)
            yield Result(
                f"durable webhooks/s ÷ {yardstick.per_s}, {counted}",
                kept / per_s,
                _PER_S_TARGETS.get(clients),
                False,
                f"{kept:,.0f} against {per_s:,.0f} webhooks/s, sent by {SENT_BY}",
            )
            yield Result(
                f"processor time of a webhook stored and shown ÷ {yardstick.processor}, {counted}",
                sum(parts.values()) / us,
                _PROCESSOR_TARGETS.get(clients),
                True,
                f"{told(parts)}; {us:,.0f} to verify it, sent by {SENT_BY}",
            )


def against_verifying_only(conninfo: str) -> list[Result]:
    """Take turns with the server as it comes, and with as many processes that verify and forget."""
    return _compared(conninfo, "new objects", _WEBHOOKS, deliveries)


def of_old_subscriptions(conninfo: str) -> list[Result]:
    """Do the same with what subscriptions of up to two years bring next."""
    coming = merchants.after_two_years(conninfo, sum(_OLD.values()) * ROUNDS)
    return _compared(conninfo, "merchants of two years", _OLD, coming)


def _compared(
    conninfo: str, what: str, counts: dict[int, int], make: Callable[[int], list[Delivery]]
) -> list[Result]:
    compared: dict[int, _Compared] = defaultdict(_Compared)
    with ExitStack() as stack:
        yardsticks = stack.enter_context(_yardsticks(conninfo))
        server, conn = stack.enter_context(_served(conninfo))
        for _ in range(ROUNDS):
            for clients, count in counts.items():
                requests = [*map(request, make(count))]
                for yardstick in yardsticks:
                    taken = compared[clients].verified[yardstick]
                    _verify(taken, yardstick.server, requests, clients)
                compared[clients].kept.append(measured(server, conn, requests, clients))
    return [result for clients in counts for result in compared[clients].results(what, clients)]


def of_one_client_against_a_bare_commit(conninfo: str) -> Result:
    """Take turns with webhooks one at a time, and with inserts of their bodies."""
    kept_s, committed_s = [], []
    with _served(conninfo) as (server, conn):
        conn.execute(_PLAIN)
        for _ in range(ROUNDS):
            some = deliveries(_WEBHOOKS[1])
            kept_s.append(drive(port_of(server), [*map(request, some)], 1).percentile_s(50))
            inserts = [
                seconds(lambda body=one.body: conn.execute(_INSERT, [body], prepare=True))  # type: ignore[misc]  # bound at once
                for one in some
            ]
            committed_s.append(statistics.median(inserts))
    kept, committed = statistics.median(kept_s), statistics.median(committed_s)
    detail = f"{kept * 1e3:.2f} against {committed * 1e3:.2f} ms, sent by our own generator"
    name = "a webhook of 1 client ÷ a bare INSERT and its commit, p50"
    return Result(name, kept / committed, _COMMITS_TARGET, True, detail)


def against_a_transaction_a_request(conninfo: str) -> Result:
    """Measure what the commits in groups gain, each way with the better number of clients."""
    with serving(real, conninfo) as grouped, serving(transaction_a_request, conninfo) as single:
        together = max(medians(*[lambda n=n: _per_s(grouped, n, _WEBHOOKS[64]) for n in (8, 64)]))
        alone = max(
            medians(*[lambda n=n: _per_s(single, n, _REQUESTS_EACH_BY_ITSELF) for n in (8, 64)])
        )
    detail = f"{together:,.0f} against {alone:,.0f} webhooks/s, sent by {SENT_BY}"
    name = "durable webhooks/s ÷ a transaction a request"
    return Result(name, together / alone, 10, False, detail)


@contextmanager
def _served(conninfo: str) -> Iterator[tuple[Program, psycopg.Connection]]:
    """Run `raphus serve` with as many workers as it chooses."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        conn = stack.enter_context(psycopg.connect(conninfo, autocommit=True))
        settings = {"RAPHUS_WORKERS": "", "DODO_PAYMENTS_WEBHOOK_KEY": SECRET}
        server = stack.enter_context(
            program.serving(folder / "home", DATABASE_URL=conninfo, **settings)
        )
        yield server, conn


@contextmanager
def _yardsticks(conninfo: str) -> Iterator[list[_Yardstick]]:
    """Run what only verifies, each with as many processes as the server chooses workers."""
    number = max(workers(None), 1)
    with (
        shared(made(verifying_only, conninfo), number) as ours,
        shared(serve_plainly, number) as plain,
    ):
        yield [
            _Yardstick("verifying only", "verified", ours),
            _Yardstick(
                "a plain handler that verifies only",
                "a plain handler's",
                plain,
            ),
        ]


def _verify(into: _Taken, server: Served, requests: list[bytes], clients: int) -> None:
    again_and_again = requests * -(-_VERIFIED // len(requests))

    def verify() -> None:
        into.per_s.append(per_s(server.port, again_and_again, clients))

    into.us.append(of_processes_us(server.pids, verify, len(again_and_again)))


def _per_s(port: int, clients: int, count: int) -> float:
    return per_s(port, [request(one) for one in deliveries(count)], clients)
