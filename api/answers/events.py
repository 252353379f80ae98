"""The log as it was recorded: what a list says of a webhook, and all of one."""

from __future__ import annotations

from datetime import datetime

import msgspec


class LoggedEvent(msgspec.Struct, frozen=True):
    """A recorded delivery. `type` is `unreadable` where the body does not say one."""

    position: str
    webhook_id: str
    type: str
    aggregate_id: str
    recorded_at: datetime


class ErasedBy(msgspec.Struct, frozen=True):
    """By which erasure, and when, a body was emptied of what identified a person."""

    webhook_id: str
    position: str
    erased_at: datetime


class AnotherBody(msgspec.Struct, frozen=True):
    """A later delivery of the same webhook-id with another body."""

    position: str
    recorded_at: datetime
    webhook_timestamp: str
    body: str
    erased: ErasedBy | None


class WholeEvent(msgspec.Struct, frozen=True):
    """A recorded delivery with its `body`, the text as it came; `webhook_timestamp` as sent.

    Where `erased` is not null, the body was emptied since, and its signature cannot be checked.
    Of other bodies there are the first nine.
    """

    position: str
    webhook_id: str
    type: str
    aggregate_id: str
    recorded_at: datetime
    webhook_timestamp: str
    body: str
    erased: ErasedBy | None
    other_bodies: list[AnotherBody]
