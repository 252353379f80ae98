"""A log whose read models are at its end, on tables that the planner knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg

from ledger.application import Ledger
from ledger.mapper import LedgerMapper
from projections.live.follower import Follower

if TYPE_CHECKING:
    from collections.abc import Iterable

    from domain.delivery import Delivery

_BATCH: Final = 500


def project(conninfo: str, told: Iterable[Delivery]) -> None:
    """Record deliveries and let the read models follow them."""
    deliveries = list(told)
    with Ledger(conninfo) as ledger:
        for n in range(0, len(deliveries), _BATCH):
            ledger.record(deliveries[n : n + _BATCH])
    with psycopg.connect(conninfo, autocommit=True) as conn:
        conn.execute("VACUUM ANALYZE raphus.ledger_events")
    follower = Follower(conninfo, LedgerMapper())
    while follower.run_once():
        pass
    follower.stop()
    with psycopg.connect(conninfo, autocommit=True) as conn:
        conn.execute("VACUUM ANALYZE")
