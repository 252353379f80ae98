"""The log as it was recorded: what a list says of a webhook, and all of one."""

from __future__ import annotations

from datetime import datetime

import msgspec

from api.answers.named import NamedEntry


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


class Signature(msgspec.Struct, frozen=True):
    """The header `webhook-signature` as it came, checked again with the secrets in hand now.

    `verified` is null where that cannot be told; `reason` is null where it is true.
    """

    header: str
    verified: bool | None
    reason: str | None


class Chained(msgspec.Struct, frozen=True):
    """An event's place in the chain of the log, in which each hash covers all that came before.

    `hash` is SHA-256 over `previous_hash`, the place, the names and `content_hash`, which is that
    of what was recorded, also where the body has been emptied since. `version` counts in the
    aggregate's stream.
    """

    version: int
    content_hash: str
    previous_hash: str
    hash: str


class AnotherBody(msgspec.Struct, frozen=True):
    """A later delivery of the same webhook-id with another body."""

    position: str
    recorded_at: datetime
    webhook_timestamp: str
    body: str
    erased: ErasedBy | None
    signature: Signature
    chained: Chained


class WholeEvent(msgspec.Struct, frozen=True):
    """A recorded delivery with its `body`, the text as it came; `webhook_timestamp` as sent.

    Where `erased` is not null, the body was emptied since, and its signature cannot be checked.
    Of other bodies there are the first nine. `facts` are the lines of timelines that it has led
    to, the first 50 of them.
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
    facts: list[NamedEntry]
    signature: Signature
    chained: Chained
