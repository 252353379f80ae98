"""Which deliveries start jobs once an event is known, and the verdict on each by then."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import msgspec

from domain.aggregates.factory import aggregate
from domain.aggregates.routing import is_told
from domain.delivery import UnreadableError, read_envelope
from domain.state_machine import Verdict
from workflows.trigger import Trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from domain.aggregate import Aggregate
    from domain.timeline import Entry

    Verdicts: TypeAlias = dict[tuple[str, str, str], Verdict | None]

# As it is read elsewhere: a number beyond a float's range is infinite, and no obstacle.
_decode: Final = msgspec.json.Decoder(dict[str, Any], float_hook=float).decode


class Due(NamedTuple):
    """A trigger, and the position of the event that made it due."""

    trigger: Trigger
    known_position: int


def _any_type(_type: str) -> bool:
    return True


def fallen_due(
    stream: Aggregate, after: int, wants_type: Callable[[str], bool] = _any_type
) -> Iterator[Due]:
    """Yield what falls due with the events of a stream behind a position, in their order.

    That is each new fact; and a fact that was refused or an anomaly until then, and counts for
    more now: a missing one has come before it. The stream has all events up to the last that
    counts; a base of it stands for events up to the position. Only triggers of wanted types are
    yielded, each without its entity.
    """
    entries = _at_the_end(stream, after)
    if entries is None:
        candidates = _one_by_one(stream, after)
    else:
        candidates = ((stream, entry, position) for position, entry in entries)
    for folded, entry, position in candidates:
        new = _trigger(folded, entry, wants_type)
        if new is not None:
            yield Due(new, position)


def trigger(stream: Aggregate, webhook_id: str, position: int | None = None) -> Trigger | None:
    """Return how a delivery stands in an aggregate as it is known; None where it is not there.

    Should one webhook-id tell of several things, a position says which of them is meant.
    """
    own = [entry for entry in stream.timeline() if entry.webhook_id == webhook_id]
    if not own:
        return None
    entry = next((entry for entry in own if entry.position == str(position)), own[0])
    due = _trigger(stream, entry, _any_type)
    thing = stream.find(entry.kind, entry.id)
    return due and due._replace(entity=thing.entity if thing else None)


def _at_the_end(stream: Aggregate, after: int) -> list[tuple[int, Entry]] | None:
    """Return the entries of the new facts, if each came behind all that was known before.

    Then the new ones changed nothing of what had been judged, nor of each other: one folding
    tells what folding after each of them would. None if it is not so, or cannot be told.
    """
    new: list[tuple[int, Entry]] = []
    for folded in stream.folded().values():
        last = after
        for fact, entry in zip(folded.facts, folded.entries, strict=True):
            if fact.position > last:
                last = fact.position
                new.append((last, entry))
            elif last > after:
                return None
    # Another body under a known webhook-id is an event, and no fact.
    if len(new) < sum((event.position or 0) > after for event in stream.events):
        return None
    return sorted(new, key=itemgetter(0))


def _one_by_one(stream: Aggregate, after: int) -> Iterator[tuple[Aggregate, Entry, int]]:
    """Fold anew with each new event, and yield the entries that fall due with it."""
    old = sum((event.position or 0) <= after for event in stream.events)
    before = _verdicts(aggregate(stream.id, stream.events[:old], stream.base))
    for number, event in enumerate(stream.events[old:], start=old + 1):
        known = aggregate(stream.id, stream.events[:number], stream.base)
        for entry in known.timeline():
            place = entry.kind, entry.id, entry.webhook_id
            if place not in before or _settles(before[place], entry.verdict):
                yield known, entry, event.position or 0
        before = _verdicts(known)


def _settles(before: Verdict | None, now: Verdict | None) -> bool:
    """Tell whether a fact that was no valid transition counts for more than it did."""
    if before is None or before.is_valid:
        return False
    return now not in {before, Verdict.REFUSED}


def _verdicts(stream: Aggregate) -> Verdicts:
    return {(entry.kind, entry.id, entry.webhook_id): entry.verdict for entry in stream.timeline()}


def _trigger(stream: Aggregate, entry: Entry, wants_type: Callable[[str], bool]) -> Trigger | None:
    position = int(entry.position)
    event = next(event for event in reversed(stream.events) if event.position == position)
    if not is_told(stream.id, event.topic):
        return None
    try:
        envelope = read_envelope(event.delivery.body)
    except UnreadableError:
        return None
    if not wants_type(envelope.type):
        return None
    return Trigger(
        webhook_id=entry.webhook_id,
        type=envelope.type,
        business_id=envelope.business_id,
        occurred_at=entry.occurred_at or envelope.timestamp,
        recorded_at=entry.recorded_at,
        position=position,
        kind=entry.kind,
        id=entry.id,
        payload=_decode(event.delivery.body),
        verdict=entry.verdict,
        reason=entry.reason,
        gap=entry.gap,
        body=event.delivery.body,
    )
