"""The chain: every event's hash covers what was stored of it and all that came before it.

Of a state it covers the hash, so that a state can be emptied while the chain still holds.
"""

from __future__ import annotations

import hashlib
import struct
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

GENESIS: Final = bytes(hashlib.sha256().digest_size)
"""What the first event is chained to."""
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_numbers: Final = struct.Struct(">qqq").pack
_lengths: Final = struct.Struct(">HHH").pack


class Row(NamedTuple):
    """One row of the log, but for its hash; its fields are the columns that are chained.

    `content_hash` is None as long as the state is as it was recorded. Where the state was emptied
    since, it is the SHA-256 of the state that was recorded, and is chained in its place.
    """

    originator_id: str
    originator_version: int
    topic: str
    state: bytes
    notification_id: int
    webhook_id: str
    recorded_at: datetime
    content_hash: bytes | None = None


RECORDED: Final = Row._fields[:-1]
"""The columns that a row is recorded with."""


def link(previous: bytes, row: Row) -> bytes:
    """Return the row's hash: SHA-256 over the hash before it and every column, by hash the state.

    Lengths precede the texts, so that no two rows read alike.
    """
    recorded_us = (row.recorded_at - _EPOCH) // _MICROSECOND
    numbers = _numbers(row.notification_id, recorded_us, row.originator_version)
    content = row.content_hash
    if content is None:
        content = hashlib.sha256(row.state).digest()
    named = told(row.originator_id, row.topic, row.webhook_id, content)
    return hashlib.sha256(b"".join((previous, numbers, named))).digest()


def told(originator_id: str, topic: str, webhook_id: str, content_hash: bytes) -> bytes:
    """Return what is chained of a row but for its numbers, which are known only under the lock."""
    texts = originator_id.encode(), topic.encode(), webhook_id.encode()
    return b"".join((_lengths(*map(len, texts)), *texts, content_hash))
