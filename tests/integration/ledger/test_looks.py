"""Looks in the log: recorded where they say something new, chained, and never back to life."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from domain.look import Look
from ledger.application import Ledger, Receipt
from tests.support.histories import NOON


def look(
    kind: str, minute: int = 0, asked: dict[str, str | bool] | None = None, **data: object
) -> Look:
    """Make a look that found `data`, `minute` minutes after noon."""
    return Look(
        kind=kind,
        business_id="bus_1",
        at=NOON + timedelta(minutes=minute),
        endpoint=f"GET /{kind}s",
        data=msgspec.json.encode(data),
        asked=asked or {},
    )


def test_a_look_is_recorded_once_and_read_again_adds_nothing(database: str) -> None:
    ledger = Ledger(database)
    seen = look("subscription", subscription_id="sub_1", status="active", product_id="pdt_1")
    (first,) = ledger.observe([seen])
    assert isinstance(first.recording, Receipt)
    (again,) = ledger.observe([msgspec.structs.replace(seen, at=NOON + timedelta(hours=1))])
    assert again.recording is None
    assert not again.comparison.changes
    ledger.close()
