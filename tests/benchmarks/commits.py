"""Benchmark: what a delivery and a page of the log cost, by the clock and in processor time."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Final

import psycopg

from ledger.application import Ledger
from ledger.mapper import LedgerMapper
from projections.live.follower import Follower
from tests.benchmarks.bodies import deliveries
from tests.benchmarks.cost import cost_of
from tests.benchmarks.measure import Result

if TYPE_CHECKING:
    from tests.benchmarks.cost import Cost

_BEFORE: Final = 3_000
"""So many events are there already, and the planner knows of them."""
_ROUNDS: Final = {1: 200, 500: 10}
_PLAIN: Final = "CREATE TABLE plain (position bigserial PRIMARY KEY, state bytea)"
_INSERT: Final = "INSERT INTO plain (state) VALUES (%b)"
_RECORD_1_MS, _RECORD_500_US, _PAGE_500_US = 0.4, 60, 120


def against_a_bare_commit(conninfo: str) -> list[Result]:
    """Record and follow 1 and 500 deliveries, in turns with one insert and its commit."""
    with (
        psycopg.connect(conninfo, autocommit=True, application_name="bare") as bare,
        Ledger(conninfo) as ledger,
    ):
        bare.execute(_PLAIN)
        follower = Follower(conninfo, LedgerMapper())
        ledger.record(deliveries(_BEFORE))
        while follower.run_once():
            pass
        bare.execute("VACUUM ANALYZE")
        results = [one for size in _ROUNDS for one in _of_size(bare, ledger, follower, size)]
        follower.stop()
    return results


def _of_size(
    bare: psycopg.Connection, ledger: Ledger, follower: Follower, size: int
) -> list[Result]:
    insert, record, page = (
        cost_of(bare, name) for name in ("bare", "raphus-writer", "raphus-follower")
    )
    for _ in range(_ROUNDS[size]):
        arrived = deliveries(size)
        body = arrived[0].body
        insert.measure(lambda body=body: bare.execute(_INSERT, [body], prepare=True))  # type: ignore[misc]  # bound at once
        record.measure(lambda arrived=arrived: ledger.record(arrived))  # type: ignore[misc]
        page.measure(follower.run_once)
    ours_us = [1e6 * statistics.median(one.ours_s) / size for one in (record, page)]
    if size > 1:
        return [
            _processor(f"record of {size}", record, ours_us[0], _RECORD_500_US, size),
            _processor(f"a page of {size}", page, ours_us[1], _PAGE_500_US, size),
        ]
    commit_s = statistics.median(insert.elapsed_s)
    return [
        _times("record of 1", record, commit_s, 2),
        _processor("record of 1", record, ours_us[0], _RECORD_1_MS * 1e3, size),
        _times("a page of 1", page, commit_s, 5),
    ]


def _times(what: str, cost: Cost, commit_s: float, at_most: float) -> Result:
    ratio = statistics.median(cost.elapsed_s) / commit_s
    detail = f"{_told(cost, 1)}; a bare commit {commit_s * 1e6:,.0f} µs"
    return Result(f"{what} ÷ a bare INSERT and its commit, p50", ratio, at_most, True, detail)


def _processor(what: str, cost: Cost, ours_us: float, at_most_us: float, size: int) -> Result:
    name = f"our processor time of {what}, each ÷ {at_most_us:.0f} µs"
    return Result(name, ours_us / at_most_us, 1, True, _told(cost, size))


def _told(cost: Cost, events: int) -> str:
    """Say what an event took."""
    taken_s = (
        statistics.median(cost.elapsed_s),
        statistics.median(cost.ours_s),
        statistics.mean(cost.servers_s),
    )
    each_us = [1e6 * one / events for one in taken_s]
    return "{:,.0f} µs each; processor: {:,.0f} ours, {:,.0f} PostgreSQL's".format(*each_us)
