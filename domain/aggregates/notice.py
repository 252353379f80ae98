"""A delivery that no aggregate takes, kept and listed all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from domain.aggregate import Aggregate
from domain.aggregates.routing import NOTICE, route
from domain.delivery import Envelope, UnreadableError, read_envelope
from domain.state_machine import Verdict
from domain.timeline import Entry

if TYPE_CHECKING:
    from datetime import datetime

    from domain.event import Event
    from domain.timeline import Folded


class _Reading(NamedTuple):
    """A body as it reads; None where it does not say what a delivery must say."""

    body: bytes
    envelope: Envelope | None


class Notice(Aggregate):
    """The deliveries of one webhook-id, of another type or unreadable; it has no state."""

    _first: _Reading | None = None

    @property
    def business_id(self) -> str:
        """The tenant, empty where the body does not say it."""
        return self.envelope.business_id if self.envelope else ""

    @property
    def envelope(self) -> Envelope | None:
        """What the body says, None where it does not say what a delivery must say."""
        return self._reading().envelope

    def append(self, event: Event) -> None:
        """Take the next event of the stream."""
        super().append(event)
        self._first = None

    def _reading(self) -> _Reading:
        """Return the body that counts, read once for a set of events."""
        if self._first is None:
            # Where one webhook-id has several bodies, which of them came first must not matter.
            readings = (_read(event.delivery.body) for event in self.events)
            unread = _Reading(b"", None)
            self._first = min(readings, key=lambda r: (r.envelope is None, r.body), default=unread)
        return self._first

    def occurred_by(self, instant: datetime) -> list[Event]:
        """Return all or none; what says no time occurred, at the latest, when it was recorded."""
        if not self.events:
            return []
        envelope = self.envelope
        occurred_at = envelope.timestamp if envelope else self.events[0].recorded_at
        return self.events if occurred_at is None or occurred_at <= instant else []

    def folded(self) -> dict[tuple[str, str], Folded]:
        """Return nothing: a notice is about no entity."""
        return {}

    def timeline(self) -> list[Entry]:
        """Return one line: refused where it should have told of an aggregate, else no verdict."""
        if not self.events:
            return []
        event = self.events[0]
        body, envelope = self._reading()
        delivery = msgspec.structs.replace(event.delivery, body=body)
        if event.recorded_at is None:
            raise ValueError("only recorded events can be listed")
        _, topic, problem = route(delivery)
        return [
            Entry(
                kind=NOTICE,
                id=delivery.webhook_id,
                webhook_id=delivery.webhook_id,
                type=topic,
                occurred_at=envelope.timestamp if envelope else None,
                recorded_at=event.recorded_at,
                position=str(event.position),
                verdict=Verdict.REFUSED if problem else None,
                reason=problem,
                gap=False,
                from_=None,
                to=None,
            )
        ]


def _read(body: bytes) -> _Reading:
    try:
        return _Reading(body, read_envelope(body))
    except UnreadableError:
        return _Reading(body, None)
