"""Changes of access: what somebody has gained or lost, product by product, since it was told."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import msgspec

from domain.access.access import decide
from domain.aggregates.announcement import Cause

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from domain.access.access import Access
    from domain.access.judgement import Judgement

Product: TypeAlias = str | None
"""A product's id; None stands for all that names no product, as an entitlement grant."""


class Basis(msgspec.Struct, frozen=True):
    """A thing that decides, and the webhook of its newest fact that is not refused."""

    kind: str
    id: str
    status: str | None
    webhook_id: str
    occurred_at: datetime


class AccessChange(msgspec.Struct, frozen=True, kw_only=True):
    """That a customer has access to a product from now on, or has none any more.

    `code`, `text` and `until` are those of the answer to who asks now, `rests_on` what it rests on.
    `any_access` tells whether the customer has access to anything now.
    """

    customer_id: str
    product_id: Product
    access: bool
    code: str
    text: str
    until: datetime | None
    any_access: bool
    rests_on: tuple[Basis, ...]
    cause: Cause


class Standing(NamedTuple):
    """The access that somebody has at an instant, by product, and whether there is any."""

    by_product: dict[Product, Access]
    any_access: bool

    @property
    def given(self) -> dict[Product, datetime | None]:
        """Until when there is access, of the products of which there is."""
        return {product: one.until for product, one in self.by_product.items() if one.access}


def standing(judgements: Sequence[Judgement]) -> Standing:
    """Tell what the judgements of all that a customer has add up to."""
    about: defaultdict[Product, list[Judgement]] = defaultdict(list)
    for one in judgements:
        for product in one.holding.product_ids or (None,):
            about[product].append(one)
    decided = {product: decide(of_it, product) for product, of_it in about.items()}
    return Standing(decided, any(one.gives for one in judgements))


def changes(
    told: Collection[Product], now: Standing, customer_id: str, cause: Cause
) -> list[AccessChange]:
    """Tell what has changed since access to the products `told` was: what is gained comes first."""
    denied = {product: decide((), product) for product in told if product not in now.by_product}
    return [
        AccessChange(
            customer_id=customer_id,
            product_id=product,
            access=one.access,
            code=one.reason.code,
            text=one.reason.text,
            until=one.until,
            any_access=now.any_access,
            rests_on=tuple(
                Basis(it.kind, it.id, it.status, it.webhook_id, it.occurred_at)
                for it in one.rests_on
            ),
            cause=cause,
        )
        for product, one in sorted((now.by_product | denied).items(), key=_gained_first)
        if one.access != (product in told)
    ]


def _gained_first(item: tuple[Product, Access]) -> tuple[bool, str]:
    product, one = item
    return not one.access, product or ""
