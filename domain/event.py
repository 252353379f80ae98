"""A delivery as it stands in an aggregate's stream, never changed."""

from __future__ import annotations

from datetime import datetime

import msgspec

from domain.delivery import Delivery


class Event(msgspec.Struct, frozen=True, gc=False):
    """A delivery in its stream (eventsourcing's `DomainEventProtocol`).

    `topic` is Dodo's type, or `unreadable`. `position` (1, 2, 3 … over the whole log) and
    `recorded_at` are given by the store when the event is committed: None until then.
    """

    originator_id: str
    originator_version: int
    topic: str
    delivery: Delivery
    position: int | None = None
    recorded_at: datetime | None = None
