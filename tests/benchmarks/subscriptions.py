"""Many simulated subscriptions, in a log and in its read models."""

from __future__ import annotations

import os
import re
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import psycopg

from domain.delivery import Delivery
from ledger.application import Ledger
from ledger.mapper import LedgerMapper
from projections.live.follower import Follower
from simulator import BEGAN_AT, merchant
from tests.support.looks import catalogue, observe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator import Occurrence

SUBSCRIPTIONS: Final = int(os.environ.get("BENCH_SUBSCRIPTIONS", "100000"))
UNTIL: Final = BEGAN_AT + timedelta(days=450)
"""The customers that come in their generation's first days have been there for 15 months."""
_AT_ONCE: Final = 1_000
"""So many customers are simulated together, and their events kept in memory."""
_BATCH: Final = 500
_NAMED: Final = re.compile(rb'"subscription_id":"([^"]+)"')


def tell(conninfo: str) -> float:
    """Record what happened to so many, let the read models follow, and return how long it took."""
    began = time.monotonic()
    observe(conninfo, catalogue("bus_demo"))
    follower = Follower(conninfo, LedgerMapper())
    with Ledger(conninfo) as ledger, psycopg.connect(conninfo, autocommit=True) as conn:
        for number, occurrences in enumerate(_merchants()):
            told = [_delivery(one) for one in occurrences]
            for n in range(0, len(told), _BATCH):
                ledger.record(told[n : n + _BATCH])
            if not number:  # so that the planner knows a table that is not empty
                conn.execute("ANALYZE")
            while follower.run_once():
                pass
        conn.execute("VACUUM ANALYZE")
    follower.stop()
    return time.monotonic() - began


def _merchants() -> Iterator[list[Occurrence]]:
    """Simulate merchants of one business until they have so many subscriptions together."""
    subscriptions: set[bytes] = set()
    seed = 0
    while len(subscriptions) < SUBSCRIPTIONS:
        seed += 1
        occurrences = merchant(seed, customers=_AT_ONCE, until=UNTIL)
        bodies = (one.body for one in occurrences if one.type.startswith("subscription."))
        subscriptions.update(name for body in bodies for name in _NAMED.findall(body))
        yield occurrences


def _delivery(one: Occurrence) -> Delivery:
    sent_at = str(int(one.occurred_at.timestamp()))
    return Delivery(one.webhook_id, sent_at, "v1,none", one.body)
