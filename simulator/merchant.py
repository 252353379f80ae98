"""The histories of many customers, as the webhooks that Dodo would send."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from operator import attrgetter

import msgspec

from simulator.bodies import Envelope, OlderEnvelope
from simulator.life import Life, Story
from simulator.payouts import payouts
from simulator.stories import customer

BEGAN_AT = datetime(2025, 9, 1, tzinfo=UTC)
"""When the merchant begins. It is fixed, so that a life is the same on whatever day it is told."""

GENERATION = timedelta(days=425)
"""In how long so many customers come as are asked for: about 14 months."""

MERCHANT = "0"
"""Customers are named from 1; what happens to the merchant itself has this name."""


class Occurrence(msgspec.Struct, frozen=True, gc=False):
    """Something that happened, and the webhook about it with the object as it was then."""

    webhook_id: str
    type: str
    occurred_at: datetime
    body: bytes


def merchant(
    seed: int, *, customers: int, until: datetime, business_id: str = "bus_demo"
) -> list[Occurrence]:
    """All that happened to a merchant from its beginning until `until`, in order of occurrence.

    So many customers come in each 14 months. About 18 occurrences a customer, of about 1.3 KB each.
    The same arguments give the same bytes; a later `until` appends to them and changes none. A
    customer's story does not depend on how many others there are.

    Raises ValueError for a negative number of customers and for an `until` without a time zone.
    """
    if customers < 0:
        raise ValueError("the number of customers cannot be negative")
    if until.tzinfo is None:
        raise ValueError("until needs a time zone")
    until = until.astimezone(UTC)
    owner = Life(str(seed), MERCHANT, business_id)
    occurrences = list(_told(owner, payouts(owner, BEGAN_AT), until))
    for name, first_day in _names(customers, until):
        life = Life(str(seed), name, business_id)
        joined_at = life.after(first_day, 0, GENERATION.total_seconds())
        life.may_move(joined_at)
        occurrences.extend(_told(life, customer(life, joined_at), until))
    occurrences.sort(key=attrgetter("occurred_at"))
    return occurrences


def _names(customers: int, until: datetime) -> Iterator[tuple[str, datetime]]:
    """Customers by generation: `7`, later `7-2`, then `7-3`, each with its generation's first day.

    The generations that come last come last in the order, too.
    """
    first_day = BEGAN_AT
    for generation in count(1):
        if first_day >= until:
            return
        of_generation = f"-{generation}" if generation > 1 else ""
        for number in range(1, customers + 1):
            yield f"{number}{of_generation}", first_day
        first_day += GENERATION


def _told(life: Life, story: Story, until: datetime, path: str = "/main") -> Iterator[Occurrence]:
    """A story and then those that go on beside it, each up to `until`."""
    encode = msgspec.json.Encoder().encode
    life.begin(path)
    for type_, at, body in story:
        if at >= until:
            break
        life.as_of(at)
        if life.chance(0.8):
            text = encode(Envelope(life.business_id, type_, at, body))
        else:
            text = encode(OlderEnvelope(life.business_id, body, at, type_))
        yield Occurrence(life.new_id("msg"), type_, at, text)
    asides, life.asides = life.asides, []
    for number, aside in enumerate(asides):
        yield from _told(life, aside, until, f"{path}/{number}")
