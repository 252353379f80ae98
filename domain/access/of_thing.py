"""The access of a thing's customer to the products of the thing, as it is told with its state."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec

from domain.access.access import Reason, decide
from domain.access.holding import products_named
from domain.access.judgement import judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domain.access.holding import Holding
    from domain.access.policy import Policy
    from domain.entity import Entity

_FOR_EVER: Final = datetime.max.replace(tzinfo=UTC)


class ProductAccess(msgspec.Struct, frozen=True):
    """Whether there is access to a product, until when by time alone, and why."""

    product_id: str
    access: bool
    until: datetime | None
    reason: Reason


class ThingAccess(msgspec.Struct, frozen=True):
    """Whether a thing's customer has access to one of its products, as of `at`, and to each.

    Of a thing that names no product, and came with none, it is access to anything.
    """

    customer_id: str
    access: bool
    until: datetime | None
    reason: Reason
    at: datetime
    products: list[ProductAccess]


def access_of(
    thing: Entity, holdings: Sequence[Holding], at: datetime, policy: Policy
) -> ThingAccess | None:
    """Judge all that the customer of a thing has; None for a thing without a customer."""
    if thing.customer_id is None:
        return None
    judgements = judge(holdings, at, policy)
    each = [
        ProductAccess(product_id, one.access, one.until, one.reason)
        for product_id in products_of(thing, holdings)
        for one in [decide(judgements, product_id)]
    ]
    best = max(each, key=_gives_longest) if each else decide(judgements, None)
    return ThingAccess(thing.customer_id, best.access, best.until, best.reason, at, each)


def products_of(thing: Entity, holdings: Sequence[Holding]) -> list[str]:
    """Return the products of a thing, else of the payment that it is of, else of the subscription.

    Each is named once, in their order.
    """
    held = {(one.kind, one.id): one.entity for one in holdings}
    payment = held.get(("payment", getattr(thing, "payment_id", None) or ""))
    of_which = getattr(thing, "subscription_id", None) or getattr(payment, "subscription_id", None)
    subscription = held.get(("subscription", of_which or ""))
    told = (products_named(one) for one in (thing, payment, subscription) if one is not None)
    return list(dict.fromkeys(next(filter(None, told), ())))


def _gives_longest(one: ProductAccess) -> tuple[bool, datetime]:
    return one.access, one.until or _FOR_EVER
