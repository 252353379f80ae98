"""Benchmark: webhooks that are durable before the answer, against less work and against more."""

from __future__ import annotations

import statistics
import tempfile
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psycopg

from cli.serving.room import workers
from tests.benchmarks import merchants
from tests.benchmarks.bodies import SECRET, deliveries, request
from tests.benchmarks.load import drive
from tests.benchmarks.measure import ROUNDS, Result, medians, seconds
from tests.benchmarks.parts import measured, medians_us, of_processes_us, port_of, told
from tests.benchmarks.sending import SENT_BY, per_s
from tests.benchmarks.servers import real, serving, shared, transaction_a_request, verifying_only
from tests.support import program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from domain.delivery import Delivery
    from tests.benchmarks.parts import Round
    from tests.benchmarks.servers import Served
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


@dataclass
class _Compared:
    """What rounds told of two servers: webhooks a second, and processor time a webhook in µs."""

    kept: list[Round] = field(default_factory=list)
    verified_per_s: list[float] = field(default_factory=list)
    verified_us: list[float] = field(default_factory=list)

    def results(self, what: str, clients: int) -> Iterator[Result]:
        """Compare medians."""
        kept = statistics.median(one.per_s for one in self.kept)
        verified = statistics.median(self.verified_per_s)
        counted = f"{clients} client{'s' if clients > 1 else ''}, {what}"
        yield Result(
            f"durable webhooks/s ÷ verifying only, {counted}",
            kept / verified,
            _PER_S_TARGETS.get(clients),
            False,
            f"{kept:,.0f} against {verified:,.0f} webhooks/s, sent by {SENT_BY}",
        )
        parts, verified_us = (
            medians_us([one.parts_us for one in self.kept]),
            statistics.median(self.verified_us),
        )
        yield Result(
            f"processor time of a webhook stored and shown ÷ verified, {counted}",
            sum(parts.values()) / verified_us,
            _PROCESSOR_TARGETS.get(clients),
            True,
            f"{told(parts)}; {verified_us:,.0f} to verify it, sent by {SENT_BY}",
        )


def against_verifying_only(conninfo: str) -> list[Result]:
    """Take turns with the server as it comes, and as many processes that verify and forget."""
    return _compared(conninfo, "new objects", _WEBHOOKS, deliveries)


def of_old_subscriptions(conninfo: str) -> list[Result]:
    """Do the same with what subscriptions of up to two years bring next."""
    coming = merchants.after_two_years(conninfo, sum(_OLD.values()) * ROUNDS)
    return _compared(conninfo, "merchants of two years", _OLD, coming)


def _compared(
    conninfo: str, what: str, counts: dict[int, int], make: Callable[[int], list[Delivery]]
) -> list[Result]:
    compared: dict[int, _Compared] = defaultdict(_Compared)
    with _both(conninfo) as (server, forgetful, conn):
        for _ in range(ROUNDS):
            for clients, count in counts.items():
                requests = [*map(request, make(count))]
                _round(compared[clients], server, forgetful, conn, requests, clients)
    return [result for clients in counts for result in compared[clients].results(what, clients)]


def of_one_client_against_a_bare_commit(conninfo: str) -> Result:
    """Take turns with webhooks one at a time, and with inserts of their bodies."""
    kept_s, committed_s = [], []
    with _both(conninfo) as (server, _, conn):
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
def _both(conninfo: str) -> Iterator[tuple[Program, Served, psycopg.Connection]]:
    """Run `raphus serve` with as many workers as it chooses, and as many that verify only."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        forgetful = stack.enter_context(
            shared(verifying_only, conninfo, max(workers(None), 1)),
        )
        conn = stack.enter_context(psycopg.connect(conninfo, autocommit=True))
        settings = {"RAPHUS_WORKERS": "", "DODO_PAYMENTS_WEBHOOK_KEY": SECRET}
        server = stack.enter_context(
            program.serving(folder / "home", DATABASE_URL=conninfo, **settings)
        )
        yield server, forgetful, conn


def _round(
    into: _Compared,
    server: Program,
    forgetful: Served,
    conn: psycopg.Connection,
    requests: list[bytes],
    clients: int,
) -> None:
    """Let both take the same requests, the one that forgets them first."""
    again_and_again = requests * -(-_VERIFIED // len(requests))

    def verify() -> None:
        into.verified_per_s.append(per_s(forgetful.port, again_and_again, clients))

    into.verified_us.append(of_processes_us(forgetful.pids, verify, len(again_and_again)))
    into.kept.append(measured(server, conn, requests, clients))


def _per_s(port: int, clients: int, count: int) -> float:
    return per_s(port, [request(one) for one in deliveries(count)], clients)
