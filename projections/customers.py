"""Customers: a view over the read models of what belongs to them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from projections.listing import Statement

if TYPE_CHECKING:
    from collections.abc import Sequence


class Totals(msgspec.Struct, frozen=True):
    """What succeeded payments and refunds add up to, in minor units of one currency."""

    paid: int
    refunded: int


class Customer(msgspec.Struct, frozen=True):
    """What a customer has, by count; `refused` counts refused facts, `totals` is by currency."""

    business_id: str
    customer_id: str
    subscriptions: int
    active_subscriptions: int
    payments: int
    succeeded_payments: int
    failed_payments: int
    refunds: int
    disputes: int
    open_disputes: int
    license_keys: int
    refused: int
    first_seen_at: datetime
    last_seen_at: datetime
    totals: dict[str, Totals]


_ONE: Final = (
    f"SELECT {', '.join(Customer.__struct_fields__)} FROM raphus.customers"  # noqa: S608 -- names
    " WHERE customer_id = %(customer_id)s ORDER BY business_id LIMIT 1"
)


def one(customer_id: str) -> Statement:
    """Select the customer with an id."""
    return Statement(_ONE, {"customer_id": customer_id})


def read(row: Sequence[object]) -> Customer:
    """Read a row of `one`; its times are in the connection's time zone."""
    return msgspec.convert(dict(zip(Customer.__struct_fields__, row, strict=True)), Customer)
