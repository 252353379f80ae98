"""What looks would change of what is known: the aggregate is folded with them and without them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from domain.aggregates.catalogue import KINDS
from domain.aggregates.routing import route_of
from domain.delivery import ErasedDelivery
from domain.event import Event
from domain.look import delivery_of, without_persons

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
    (event,) = _events(known, {webhook_id: look}, forgotten=forgotten)
    entity_id = kind.id_of(kind.look(event.delivery)[1].payload) or ""
    then = _with(known, [event])
    found = known.find(kind.name, entity_id), then.find(kind.name, entity_id)
    return Comparison(look, event.delivery, *found, then)


def news(known: Aggregate, looks: Mapping[str, Look], *, forgotten: bool = False) -> list[Delivery]:
    """Return those of looks, by their webhook-ids, that say what is not known, as `compare` does.

    They are at parts of a thing that stand beside each other, as the entries of a ledger do, and
    are judged together: the aggregate is folded a few times, however many there are.

    Raises:
        KeyError, UnreadableError: as for `compare`, for any of them.
    """
    events = _events(known, looks, forgotten=forgotten)
    then = _with(known, events)
    parts, known_parts = then.parts(), known.parts()
    new = {webhook_id for part, webhook_id in parts.items() if part not in known_parts}
    alone = [event for event in events if event.delivery.webhook_id in new]
    others = [event for event in events if event.delivery.webhook_id not in new]
    return [one.delivery for one in [*alone, *_telling(_with(known, alone), others, then)]]


def _telling(known: Aggregate, events: Sequence[Event], then: Aggregate) -> list[Event]:
    """Return the events without which it would not be known what is known `then`: few as a rule."""
    if not events or _entities(then) == _entities(known):
        return []
    if len(events) == 1:
        return [*events]
    middle = len(events) // 2
    first = _telling(known, events[:middle], _with(known, events[:middle]))
    halfway = _with(known, first)
    return [*first, *_telling(halfway, events[middle:], _with(halfway, events[middle:]))]


def _events(known: Aggregate, looks: Mapping[str, Look], *, forgotten: bool) -> list[Event]:
    """Return looks, by their webhook-ids, as the next events of a stream."""
    emptied = forgotten or any(isinstance(one.delivery, ErasedDelivery) for one in known.events)
    position = max((event.position or 0 for event in known.events), default=0)
    events = []
    for number, (webhook_id, look) in enumerate(looks.items(), start=1):
        topic = route_of(look).topic
        delivery = delivery_of(look, webhook_id)
        if emptied:
            delivery = without_persons(delivery)
        version = known.version + number
        events.append(Event(known.id, version, topic, delivery, position + number, look.at))
    return events


def _with(known: Aggregate, events: Sequence[Event]) -> Aggregate:
    return type(known)(known.id, [*known.events, *events]) if events else known


def _entities(known: Aggregate) -> list[Entity | None]:
    return [_told(one) for one in known.entities()]


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
