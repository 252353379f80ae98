"""What is wrong: the answer of the list of anomalies."""

from __future__ import annotations

from datetime import datetime

import msgspec

from domain.anomalies.span import Named, Testimony


class NamedThing(Named, frozen=True):
    """A thing of Dodo's; `product_name` is that of a product, if it is known."""

    product_name: str | None = None


class Anomaly(msgspec.Struct, frozen=True):
    """Something that is wrong at the instant that is asked about.

    It is so `since` then and, as far as is known by now, `until` then: null where nothing has
    settled it. `objects` are what it is about: `kind` and `id`, which come first, and others.
    `amount` is in minor units of `currency`, null where it is about no money. `business_id` is
    empty where no business can be told. `action` is what to do.
    """

    code: str
    text: str
    action: str
    since: datetime
    until: datetime | None
    business_id: str
    customer_id: str | None
    kind: str
    id: str
    objects: tuple[NamedThing, ...]
    amount: int | None
    currency: str | None
    evidence: tuple[Testimony, ...]
