"""A recorded delivery with its verdict, as routes and transformations look at it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from domain.access.of_thing import ThingAccess
    from domain.entity import Entity
    from domain.state_machine import Verdict


class Trigger(NamedTuple):
    """One delivery in the log, read and judged by what had been recorded when it came.

    `kind` and `id` name what it is about: a notice, under its webhook-id, where no state machine
    is asked; `verdict` and `entity` are None then. `body` is what was delivered, to the byte, and
    `payload` what it says; `entity` is the thing's state after the fact. `replay` is 0, or counts
    up each time it is started again. `access` is what the thing's customer has when it is sent,
    where that is to be told.
    """

    webhook_id: str
    type: str
    business_id: str
    occurred_at: datetime
    recorded_at: datetime
    position: int
    kind: str
    id: str
    payload: dict[str, Any]
    verdict: Verdict | None = None
    reason: str | None = None
    gap: bool = False
    entity: Entity | None = None
    replay: int = 0
    body: bytes = b""
    access: ThingAccess | None = None
