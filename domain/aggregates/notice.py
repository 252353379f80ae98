"""A delivery that no aggregate takes, kept and listed all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from domain.aggregate import Aggregate
from domain.aggregates.routing import NOTICE, route
from domain.delivery import Delivery, Envelope, UnreadableError, read_envelope
from domain.personal_data import order_of
from domain.state_machine import Verdict
from domain.timeline import Entry

if TYPE_CHECKING:
    from datetime import datetime

    from domain.event import Event
    from domain.timeline import Folded


class _Reading(NamedTuple):
    """A body as it reads; None where it does not say what a delivery must say."""

    delivery: Delivery
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
        reading = self._reading()
        return reading.envelope if reading else None

    def append(self, event: Event) -> None:
        """Take the next event of the stream."""
        super().append(event)
        self._first = None

    def _reading(self) -> _Reading | None:
        """Return the body that counts, read once for a set of events; None where there are none."""
        if self._first is None:
            readings = [_read(event.delivery) for event in self.events]
            # Where one webhook-id has several bodies, which of them came first must not matter.
            alone = len(readings) == 1
            self._first = readings[0] if alone else min(readings, key=_order, default=None)
        return self._first

    def occurred_by(self, instant: datetime) -> list[Event]:
        """Return all or none; what says no time occurred, at the latest, when it was recorded."""
        reading = self._reading()
        if reading is None:
            return []
        envelope = reading.envelope
        occurred_at = envelope.timestamp if envelope else self.events[0].recorded_at
        return self.events if occurred_at is None or occurred_at <= instant else []

    def folded(self) -> dict[tuple[str, str], Folded]:
        """Return nothing: a notice is about no entity."""
        return {}

    def timeline(self) -> list[Entry]:
        """Return one line: refused where it should have told of an aggregate, else no verdict."""
        reading = self._reading()
        if reading is None:
            return []
        event = self.events[0]
        delivery, envelope = reading
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
                changes=(),
            )
        ]


def _read(delivery: Delivery) -> _Reading:
    try:
        return _Reading(delivery, read_envelope(delivery.body))
    except UnreadableError:
        return _Reading(delivery, None)


def _order(reading: _Reading) -> tuple[bool, tuple[bytes, bytes]]:
    return reading.envelope is None, order_of(reading.delivery)
