"""Benchmark: what an event and a question cost over the length of the log, and how much disk."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, Self

import psycopg
from rich.console import Console
from rich.progress import Progress

from ledger.application import Ledger
from ledger.mapper import LedgerMapper
from projections.live.follower import Follower
from tests.benchmarks import disk, merchants
from tests.benchmarks.cost import cost_of
from tests.benchmarks.load import drive
from tests.benchmarks.measure import Result, medians
from tests.benchmarks.queries import bare
from tests.benchmarks.servers import real, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from domain.delivery import Delivery
    from tests.benchmarks.cost import Cost
    from tests.benchmarks.disk import Disk

_EVENTS: Final = int(os.environ.get("BENCH_EVENTS", "1_000_000"))
"""How many are recorded and shown before the last merchant, which is measured."""
_BATCH: Final = 500
_REQUESTS: Final = 600
_IDS: Final = "SELECT subscription_id FROM raphus.subscriptions ORDER BY md5(subscription_id)"
_PATHS: Final = {
    "GET of one subscription": "/v1/subscriptions/{}",
    "a page of 50 active subscriptions": "/v1/subscriptions?status=active&limit=50",
    "the history of one subscription": "/v1/subscriptions/{}/timeline?limit=50",
}


class _Each(NamedTuple):
    """The processor time that an event took, ours and PostgreSQL's, in s."""

    ours_s: float
    servers_s: float

    @classmethod
    def of(cls, cost: Cost, events: int) -> Self:
        """Divide what something cost among the events that it was for."""
        return cls(sum(cost.ours_s) / events, sum(cost.servers_s) / events)

    def told(self) -> str:
        """Say it in µs."""
        return f"{1e6 * self.ours_s:,.0f} µs ours and {1e6 * self.servers_s:,.0f} PostgreSQL's"


class _Question(NamedTuple):
    """The p50 of a question, and that of the bare select in turns with it, in s."""

    asked_s: float
    bare_s: float

    @property
    def ratio(self) -> float:
        return self.asked_s / self.bare_s

    def told(self) -> str:
        return f"{self.asked_s * 1e3:.2f} ms, {self.ratio:.2f} bare selects"


@dataclass(frozen=True)
class _Mark:
    """What was measured at a length of the log."""

    events: int
    record: _Each
    follow: _Each
    questions: dict[str, _Question]
    disk: Disk


def of_the_log(conninfo: str) -> list[Result]:
    """Let merchants of two years fill the log, and measure at a tenth of it and in the end."""
    told = merchants.two_years()
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("events recorded and shown", total=_EVENTS)
        shown = partial(progress.advance, task)
        few = _mark(conninfo, told, 0, _EVENTS // 10, shown)
        many = _mark(conninfo, told, few.events, _EVENTS, shown)
    return [*_compared(few, many), *disk.results(few.disk, many.disk)]


def _compared(few: _Mark, many: _Mark) -> Iterator[Result]:
    for what, long, short in (
        ("recording", many.record, few.record),
        ("showing", many.follow, few.follow),
    ):
        name = f"{what} an event behind 10× the events ÷ behind 1×, processor time"
        detail = f"{_behind(many)} {long.told()}; {_behind(few)} {short.told()}"
        yield Result(name, sum(long) / sum(short), None, True, detail)
    for what, asked in many.questions.items():
        at_first = few.questions[what]
        detail = f"{_behind(many)} {asked.told()}; {_behind(few)} {at_first.told()}"
        name = f"{what} ÷ the bare select, p50, of 10× the events ÷ of 1×"
        yield Result(name, asked.ratio / at_first.ratio, None, True, detail)


def _behind(mark: _Mark) -> str:
    return f"behind {mark.events:,} events"


def _mark(
    conninfo: str,
    told: Iterator[list[Delivery]],
    begin: int,
    end: int,
    shown: Callable[[int], None],
) -> _Mark:
    """Record and show merchants up to a length, and measure the next one, and there."""
    events = begin
    with psycopg.connect(conninfo, autocommit=True) as conn:
        while events < end:
            merchant = next(told)
            _grow(conninfo, merchant, shown)
            events += len(merchant)
        conn.execute("VACUUM ANALYZE")
        merchant = next(told)
        record, follow = (
            _Each.of(cost, len(merchant)) for cost in _grow(conninfo, merchant, shown)
        )
        events += len(merchant)
        conn.execute("VACUUM ANALYZE")
        ids = [str(row[0]) for row in conn.execute(_IDS).fetchmany(_REQUESTS)]
        return _Mark(events, record, follow, _questions(conninfo, ids), disk.measured(conn, events))


def _grow(
    conninfo: str, merchant: list[Delivery], shown: Callable[[int], None]
) -> tuple[Cost, Cost]:
    """Record a merchant and let the read models follow, by turns; return what both cost."""
    with ExitStack() as stack:
        ledger = stack.enter_context(Ledger(conninfo))
        follower = Follower(conninfo, LedgerMapper())
        stack.callback(follower.stop)
        conn = stack.enter_context(psycopg.connect(conninfo, autocommit=True))
        ledger.recorder.max_notification_id()  # it connects when it is first asked
        follower.run_once()
        record, follow = (cost_of(conn, name) for name in ("raphus-writer", "raphus-follower"))
        for n in range(0, len(merchant), _BATCH):
            batch = merchant[n : n + _BATCH]
            record.measure(partial(ledger.record, batch))
            follow.measure(partial(_follow, follower))
            shown(len(batch))
    return record, follow


def _follow(follower: Follower) -> None:
    while follower.run_once():
        pass


def _questions(conninfo: str, ids: list[str]) -> dict[str, _Question]:
    with serving(real, conninfo) as ours, serving(bare, conninfo) as bare_port:
        return {what: _asked(ours, path, bare_port, ids) for what, path in _PATHS.items()}


def _asked(ours: int, path: str, bare_port: int, ids: list[str]) -> _Question:
    return _Question(
        *medians(lambda: _p50_s(ours, path, ids), lambda: _p50_s(bare_port, "/bare/{}", ids))
    )


def _p50_s(port: int, path: str, ids: list[str]) -> float:
    asked = [f"GET {path.format(one)} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n" for one in ids]
    return drive(port, [one.encode() for one in asked], 1).percentile_s(50)
