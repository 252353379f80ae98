"""Looks at what no webhook is about, for tests that need something of each kind."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from domain.look import Look
from ledger.application import Ledger, Receipt

if TYPE_CHECKING:
    from collections.abc import Sequence

LOOKED_AT: Final = datetime(2026, 1, 5, 9, tzinfo=UTC)


def look(kind: str, business_id: str, at: datetime, **data: object) -> Look:
    """Make a look that found `data`."""
    return Look(
        kind=kind,
        business_id=business_id,
        at=at,
        endpoint=f"GET /{kind}s",
        data=msgspec.json.encode(data),
    )


def catalogue(business_id: str, products: int = 5, mark: str = "") -> list[Look]:
    """Make looks at a customer who has bought nothing, and at some products."""
    customer: dict[str, Any] = {"customer_id": "cus_looked_at", "name": f"{mark}Ann", "email": None}
    looks = [look("customer", business_id, LOOKED_AT, **customer)]
    for number in range(products):
        said: dict[str, Any] = {
            "product_id": f"pdt_looked_at_{number}",
            "name": f"{mark}Product {number}",
            "price": 100 * number,
            "archived": number == 0,
            "created_at": f"2026-01-0{1 + number % 4}T00:00:00Z",
            "metadata": {"plan": str(number % 2)},
        }
        looks.append(look("product", business_id, LOOKED_AT, **said))
    return looks


def observe(conninfo: str, looks: Sequence[Look]) -> None:
    """Record looks, all of which must say something new."""
    with Ledger(conninfo) as ledger:
        for observed in ledger.observe(looks):
            assert isinstance(observed.recording, Receipt)
