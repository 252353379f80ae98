"""The open ends of streams, where a batch of deliveries is appended."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from domain.delivery import is_same
from domain.event import Event

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from domain.aggregates.routing import Route
    from domain.delivery import Delivery


class Taken(NamedTuple):
    """What became of a delivery: the event that stands for it, new or known."""

    event: Event
    duplicate: bool


class Stream:
    """A stream's version, and what it holds of the webhook-ids that are about to arrive.

    Writing needs no state machine, since nothing verified is refused; it needs to know what is
    there already. A webhook-id and a body that are both known are a duplicate, also where the
    body has been emptied since. Another body under a known webhook-id is a further observation,
    and is appended.
    """

    def __init__(self, stream_id: str, version: int, held: Iterable[Event] = ()) -> None:
        self.id = stream_id
        self.version = version
        self._known: defaultdict[str, list[Event]] = defaultdict(list)
        for event in held:
            self._known[event.delivery.webhook_id].append(event)

    def take(self, delivery: Delivery, topic: str) -> Taken:
        """Append a delivery, or find it."""
        known = self._known[delivery.webhook_id]
        for event in known:
            if is_same(event.delivery, delivery):
                return Taken(event, duplicate=True)
        self.version += 1
        event = Event(self.id, self.version, topic, delivery)
        known.append(event)
        return Taken(event, duplicate=False)


class Batch:
    """The streams that a batch touches, saved as one (eventsourcing's `CollectEventsProtocol`)."""

    id = "batch"

    def __init__(self, streams: Iterable[Stream]) -> None:
        self._streams = {stream.id: stream for stream in streams}
        self._appended: list[Event] = []

    def take(self, delivery: Delivery, to: Route) -> Taken:
        """Append a delivery to its stream, or find it there."""
        taken = self._streams[to.stream_id].take(delivery, to.topic)
        if not taken.duplicate:
            self._appended.append(taken.event)
        return taken

    def collect_events(self) -> Sequence[Event]:
        """Hand over what was appended, in order of arrival, to be committed together."""
        collected, self._appended = self._appended, []
        return collected
