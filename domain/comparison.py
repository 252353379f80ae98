"""What a look would change of what is known: the aggregate is folded with it and without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from domain.aggregates.catalogue import KINDS
from domain.aggregates.routing import route_of
from domain.delivery import ErasedDelivery
from domain.event import Event
from domain.look import delivery_of, without_persons

if TYPE_CHECKING:
    from domain.aggregate import Aggregate, Known
    from domain.delivery import Delivery
    from domain.entity import Entity
    from domain.look import Look


class Comparison(NamedTuple):
    """What is known of a thing without a look and with it; None where nothing is.

    `delivery` is the look as it would be stored, and `then` the aggregate that takes it.
    """

    look: Look
    delivery: Delivery
    before: Known | None
    after: Known | None
    then: Aggregate

    @property
    def changes(self) -> bool:
        """Whether the look says anything that is not known."""
        return _told(self.before) != _told(self.after)


def compare(
    known: Aggregate, look: Look, webhook_id: str, *, forgotten: bool = False
) -> Comparison:
    """Compare what is known of a look's thing without it and with it.

    `known` is the aggregate of the look's stream, be it of no event. Where a customer was
    `forgotten`, or something was erased from the stream, the look counts without what identifies a
    person: what was erased does not come back.

    Raises:
        KeyError: there is no such kind.
        UnreadableError: the look does not name its thing, or is no JSON object.
    """
    kind = KINDS[look.kind]
    topic = route_of(look).topic
    delivery = delivery_of(look, webhook_id)
    if forgotten or any(isinstance(event.delivery, ErasedDelivery) for event in known.events):
        delivery = without_persons(delivery)
    entity_id = kind.id_of(kind.look(delivery)[1].payload) or ""
    position = max((event.position or 0 for event in known.events), default=0) + 1
    event = Event(known.id, known.version + 1, topic, delivery, position, look.at)
    then = type(known)(known.id, [*known.events, event])
    found = known.find(kind.name, entity_id), then.find(kind.name, entity_id)
    return Comparison(look, delivery, *found, then)


def _told(known: Known | None) -> Entity | None:
    """Return what is known but for when it was said last."""
    if known is None:
        return None
    entity = msgspec.structs.replace(known.entity, occurred_at=known.entity.created_at)
    if entity.drift is not None:
        entity.drift = msgspec.structs.replace(
            entity.drift, observed_at=entity.created_at, webhook_id=""
        )
    return entity
