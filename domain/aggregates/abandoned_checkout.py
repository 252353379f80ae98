"""A checkout that was left before it was paid, and whether a reminder brought the customer back."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from domain.aggregate import Aggregate
from domain.entity import Entity, Kind
from domain.state_machine import Machine

STATES = {
    "abandoned": "It was left unpaid for an hour.",
    "recovering": "The customer is being reminded.",
    "recovered": "The customer has paid after a reminder, by another payment.",
    "exhausted": "Reminding was given up.",
    "opted_out": "The customer does not want to be reminded.",
}
EVENTS = {
    "detected": "A checkout was left unpaid for an hour.",
    "recovered": "The customer has paid after a reminder.",
}
RANKS = {"detected": 900, "recovered": 910}
# Source: docs/dodo.md, section 6. Only the beginning and a recovery are announced.
MACHINE = Machine(
    kind="abandoned_checkout",
    states=STATES,
    events=EVENTS,
    ranks=RANKS,
    final=frozenset({"recovered"}),
    unheralded=frozenset({"recovering", "exhausted", "opted_out"}),
    grid="""
            detected   recovered
(none)      abandoned  recovered?
abandoned   =          recovered
recovering  =          recovered
exhausted   =          recovered
opted_out   =          recovered
recovered   =          =
""",
)


class AbandonedCheckoutEntity(Entity, kw_only=True):
    """A checkout as it is known, named by the payment that was not made.

    `recovered_payment_id` is the one that was made in its place.
    """

    payment_id: str
    recovered_payment_id: str | None
    abandoned_at: datetime | None
    abandonment_reason: str | None
    brand_id: str | None


ABANDONED_CHECKOUT = Kind(MACHINE, AbandonedCheckoutEntity, "payment_id")


class AbandonedCheckout(Aggregate):
    """A checkout's stream."""

    kinds: ClassVar[tuple[Kind, ...]] = (ABANDONED_CHECKOUT,)
