"""Benchmark: what it costs to announce access, beside what the read models cost that it follows."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psycopg

from ledger.application import Ledger
from ledger.mapper import LedgerMapper
from projections.live.follower import Follower
from tests.benchmarks.bodies import deliveries
from tests.benchmarks.measure import Result, processor_s_of
from workflows.announcing.announcer import Announcer
from workflows.policy_file import PolicyFile

if TYPE_CHECKING:
    from ledger.following.leader import Leader

_BEFORE: Final = 3_000
"""So many events are there already, and the planner knows of them."""
_ROUNDS: Final = {1: 100, 500: 10}
_AT_MOST: Final = {1: 1.0, 500: 0.4}


def beside_the_read_models(conninfo: str) -> list[Result]:
    """Follow 1 and 500 deliveries, of which four make a purchase, and announce what they change."""
    policy = PolicyFile(Path("raphus.toml"))
    follower = Follower(conninfo, LedgerMapper())
    announcer = Announcer(conninfo, policy, lambda: {"access"})
    with Ledger(conninfo) as ledger:
        ledger.record(deliveries(_BEFORE))
        _to_the_end(follower)
        with psycopg.connect(conninfo, autocommit=True) as conn:
            conn.execute("VACUUM ANALYZE")
        _to_the_end(announcer)
        results = [_of_size(ledger, follower, announcer, size) for size in _ROUNDS]
    follower.stop()
    announcer.stop()
    return results


def _of_size(ledger: Ledger, follower: Follower, announcer: Announcer, size: int) -> Result:
    shown_s, announced_s = [], []
    for _ in range(_ROUNDS[size]):
        ledger.record(deliveries(size))
        shown_s.append(processor_s_of(follower.run_once))
        announced_s.append(processor_s_of(announcer.run_once))
        _to_the_end(announcer)  # what it has announced is followed, too
        _to_the_end(follower)
        _to_the_end(announcer)
    shown, announced = statistics.median(shown_s) / size, statistics.median(announced_s) / size
    name = f"our processor time of announcing access from a page of {size} ÷ of showing it"
    detail = f"{1e6 * announced:,.0f} µs an event; to show one {1e6 * shown:,.0f} µs"
    return Result(name, announced / shown, _AT_MOST[size], True, detail)


def _to_the_end(leader: Leader) -> None:
    nothing = 0
    while nothing < 2:  # the first may have begun, or ended to look at everything
        nothing = 0 if leader.run_once() else nothing + 1
