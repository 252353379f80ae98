"""Notice: a delivery that no aggregate takes, kept and listed all the same."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from domain.aggregate import Aggregate
from domain.delivery import Envelope, UnreadableError, read_envelope
from domain.machine import Verdict
from domain.routing import NOTICE, route
from domain.timeline import Entry

if TYPE_CHECKING:
    from datetime import datetime

    from domain.event import Event
    from domain.timeline import Folded


class Notice(Aggregate):
    """The deliveries of one webhook-id, of another type or unreadable; it has no state."""

    @cached_property
    def business_id(self) -> str:
        """The tenant, empty where the body does not say it."""
        envelope = _envelope(self._first_body)
        return envelope.business_id if envelope else ""

    @property
    def _first_body(self) -> bytes:
        # Where one webhook-id has several bodies, which of them arrived first must not matter.
        bodies = (event.delivery.body for event in self.events)
        return min(bodies, key=lambda body: (_envelope(body) is None, body), default=b"")

    def occurred_by(self, instant: datetime) -> list[Event]:
        """Return all or none; what says no time occurred, at the latest, when it was recorded."""
        if not self.events:
            return []
        envelope = _envelope(self._first_body)
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
        delivery = msgspec.structs.replace(event.delivery, body=self._first_body)
        if event.recorded_at is None:
            raise ValueError("only recorded events can be listed")
        _, topic, problem = route(delivery)
        envelope = _envelope(delivery.body)
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


def _envelope(body: bytes) -> Envelope | None:
    try:
        return read_envelope(body)
    except UnreadableError:
        return None
