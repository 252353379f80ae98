"""Streams of events of our own, which have no state: an event occurs when it is recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from domain.aggregate import Aggregate
from domain.stream_id import parts_of
from domain.timeline import Entry

if TYPE_CHECKING:
    from datetime import datetime

    from domain.event import Event
    from domain.timeline import Folded


class OwnEvents(Aggregate):
    """What the log says of one subject of our own; it judges nothing.

    `name` is what such a stream is called: the first part of its id. The last names the subject.
    """

    name: ClassVar[str]

    def occurred_by(self, instant: datetime) -> list[Event]:
        """Return those that had been recorded by then."""
        return [one for one in self.events if one.recorded_at and one.recorded_at <= instant]

    def folded(self) -> dict[tuple[str, str], Folded]:
        """Return nothing: they are about no entity."""
        return {}

    def timeline(self) -> list[Entry]:
        """Return a line for each."""
        return [self._entry(event) for event in self.events]

    def _entry(self, event: Event) -> Entry:
        if event.recorded_at is None:
            raise ValueError("only recorded events can be listed")
        return Entry(
            kind=self.name,
            id=parts_of(self.id)[-1],
            webhook_id=event.delivery.webhook_id,
            type=event.topic,
            occurred_at=event.recorded_at,
            recorded_at=event.recorded_at,
            position=str(event.position),
            verdict=None,
            reason=None,
            gap=False,
            from_=None,
            to=None,
            changes=(),
        )
