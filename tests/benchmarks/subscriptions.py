"""Many simulated subscriptions, in a log and in its read models."""

from __future__ import annotations

import os
import re
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import psycopg

from ledger.application import Ledger
from projections.read_models.catalogue import READ_MODELS
from projections.rebuild.rebuild import rebuild
from simulator import BEGAN_AT, merchant
from telemetry.progress import silent
from tests.benchmarks.merchants import unverified
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
_FOLLOWED: Final = """
    UPDATE raphus.projections_tracking AS t
    SET notification_id = log.notification_id, events = log.notification_id, hash = log.hash
    FROM (SELECT * FROM raphus.ledger_events ORDER BY notification_id DESC LIMIT 1) AS log
    WHERE application_name = 'ledger'
"""
"""As if the follower had been there: a rebuild, on all cores, then takes a fifth of its time."""
_NAMED: Final = re.compile(rb'"subscription_id":"([^"]+)"')


def tell(conninfo: str, subscriptions: int = SUBSCRIPTIONS) -> float:
    """Record what happened to so many, rebuild the read models, and return how long it took."""
    began = time.monotonic()
    observe(conninfo, catalogue("bus_demo"))
    with Ledger(conninfo) as ledger:
        for occurrences in _merchants(subscriptions):
            told = [unverified(one) for one in occurrences]
            for n in range(0, len(told), _BATCH):
                ledger.record(told[n : n + _BATCH])
    with psycopg.connect(conninfo, autocommit=True) as conn:
        conn.execute(_FOLLOWED)
        conn.execute("ANALYZE raphus.ledger_events")
        rebuild(conninfo, READ_MODELS, check=False, progress=silent)
        conn.execute("VACUUM ANALYZE")
    return time.monotonic() - began


def _merchants(at_least: int) -> Iterator[list[Occurrence]]:
    """Simulate merchants of one business until they have so many subscriptions together."""
    subscriptions: set[bytes] = set()
    seed = 0
    while len(subscriptions) < at_least:
        seed += 1
        occurrences = merchant(seed, customers=_AT_ONCE, until=UNTIL)
        bodies = (one.body for one in occurrences if one.type.startswith("subscription."))
        subscriptions.update(name for body in bodies for name in _NAMED.findall(body))
        yield occurrences
