"""The histories of many customers, as the webhooks that Dodo would send."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from operator import attrgetter

import msgspec

from simulator.bodies import Envelope, OlderEnvelope
from simulator.life import Life, Story
from simulator.payouts import payouts
from simulator.stories import customer

HISTORY = timedelta(days=425)
"""How long the merchant has been in business: about 14 months."""

PRESENT = datetime(2026, 10, 1, tzinfo=UTC)
"""The simulated present: fixed, so that a seed gives the same webhooks on every day."""

NUMBER_OF_THE_MERCHANT = 0
"""Customers are numbered from 1; what happens to the merchant itself has this number."""


class Occurrence(msgspec.Struct, frozen=True, gc=False):
    """Something that happened, and the webhook about it with the object as it was then."""

    webhook_id: str
    type: str
    occurred_at: datetime
    body: bytes


def merchant(
    seed: int, *, customers: int, until: datetime, business_id: str = "bus_demo"
) -> list[Occurrence]:
    """All that happened to a merchant in the 14 months before `until`, in order of occurrence.

    The same arguments give the same bytes. A customer's story does not depend on how many others
    there are. About 18 occurrences a customer, of about 1.3 KB each.

    Raises ValueError for a negative number of customers and for an `until` without a time zone.
    """
    if customers < 0:
        raise ValueError("the number of customers cannot be negative")
    if until.tzinfo is None:
        raise ValueError("until needs a time zone")
    until = until.astimezone(UTC)
    began_at = until - HISTORY
    owner = Life(str(seed), NUMBER_OF_THE_MERCHANT, business_id)
    occurrences = list(_told(owner, payouts(owner, began_at), until))
    for number in range(1, customers + 1):
        life = Life(str(seed), number, business_id)
        joined_at = life.after(began_at, 0, HISTORY.total_seconds())
        life.may_move(joined_at)
        occurrences.extend(_told(life, customer(life, joined_at), until))
    occurrences.sort(key=attrgetter("occurred_at"))
    return occurrences


def _told(life: Life, story: Story, until: datetime) -> Iterator[Occurrence]:
    """A life's main story and then what goes on beside it, each up to the present."""
    life.asides.append(story)
    encode = msgspec.json.Encoder().encode
    while life.asides:
        for type_, at, body in life.asides.pop():
            if at >= until:
                break
            life.as_of(at)
            if life.chance(0.8):
                text = encode(Envelope(life.business_id, type_, at, body))
            else:
                text = encode(OlderEnvelope(life.business_id, body, at, type_))
            yield Occurrence(life.new_id("msg"), type_, at, text)
