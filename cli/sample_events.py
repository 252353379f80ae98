"""A made-up event of a type, to try a route or a server with."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import msgspec

from cli.sample_announcements import FACTS, announced
from domain.access.holding import holdings_of
from domain.access.of_thing import access_of
from domain.access.policy import Policy
from domain.aggregates.factory import aggregate
from domain.aggregates.routing import route as stream_of
from domain.delivery import Delivery
from ledger.stream import Batch, Stream
from simulator import BEGAN_AT, GENERATION, merchant
from workflows.outbox.due_facts import trigger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domain.access.of_thing import ThingAccess
    from domain.aggregate import Aggregate
    from domain.entity import Entity
    from simulator import Occurrence
    from workflows.trigger import Trigger

CUSTOMERS: Final = 150
"""So many have lived through everything that the simulator knows."""
UNTIL: Final = BEGAN_AT + GENERATION
BY_DEFAULT: Final = Policy()


class NoSampleError(Exception):
    """There is no made-up event of a type; the message lists those that there are."""


def sample(type_: str, policy: Policy = BY_DEFAULT) -> Trigger:
    """Return the first event of a type in the life of a simulated merchant, with what led to it.

    It is always the same one, with the access that its customer has right after it by a policy.
    An announcement is what that would lead to.

    Raises:
        NoSampleError: there is none.
    """
    told = story(type_)
    stream, last = _stream(told)
    if type_ in FACTS:
        return announced(type_, stream, told[-1].occurred_at)
    found = trigger(stream, last.webhook_id)
    assert found is not None, "a simulated body can be read"
    return found._replace(access=_access(found.entity, told[-1], policy))


def story(type_: str) -> list[Occurrence]:
    """Return that event, behind what happened before to the same thing.

    Of an announcement it is the event that leads to it.

    Raises:
        NoSampleError: there is none.
    """
    told, fact = _told(), FACTS.get(type_, type_)
    place = next((place for place, one in enumerate(told) if one.type == fact), None)
    if place is None:
        known = ", ".join(sorted({one.type for one in told} | FACTS.keys()))
        raise NoSampleError(f"there is no sample of {type_!r}; there are {known}")
    about = stream_of(_delivery(told[place])).stream_id
    before = [one for one in told[:place] if stream_of(_delivery(one)).stream_id == about]
    return [*before, told[place]]


def _access(thing: Entity | None, last: Occurrence, policy: Policy) -> ThingAccess | None:
    """Judge all that the customer of a thing has right after an event."""
    if thing is None or thing.customer_id is None:
        return None
    told, named = _told(), thing.customer_id.encode()
    streams: dict[str, list[Occurrence]] = {}
    for one in told[: told.index(last) + 1]:
        if named in one.body:
            streams.setdefault(stream_of(_delivery(one)).stream_id, []).append(one)
    held = [one for known in streams.values() for one in holdings_of(_stream(known)[0])]
    own = [one for one in held if one.entity.customer_id in {thing.customer_id, None}]
    return access_of(thing, own, last.occurred_at, policy)


@cache
def _told() -> list[Occurrence]:
    return merchant(1, customers=CUSTOMERS, until=UNTIL)


def _stream(told: Sequence[Occurrence]) -> tuple[Aggregate, Delivery]:
    """Return the stream that these belong to, as it stands then, and the last of them."""
    deliveries = list(map(_delivery, told))
    last = deliveries[-1]
    to = stream_of(last)
    batch = Batch([Stream(to.stream_id, 0)])
    for delivery in deliveries:
        batch.take(delivery, stream_of(delivery))
    events = [
        msgspec.structs.replace(event, position=number, recorded_at=UNTIL)
        for number, event in enumerate(batch.collect_events(), start=1)
    ]
    return aggregate(to.stream_id, events), last


def _delivery(one: Occurrence) -> Delivery:
    return Delivery(one.webhook_id, "0", "", one.body)
