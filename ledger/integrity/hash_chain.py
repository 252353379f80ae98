"""The chain: every event's hash covers what was stored of it and all that came before it."""

from __future__ import annotations

import hashlib
import struct
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

GENESIS: Final = bytes(hashlib.sha256().digest_size)
"""What the first event is chained to."""
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_pack: Final = struct.Struct(">qqqHHHI").pack


class Row(NamedTuple):
    """One row of the log, but for its hash; its fields are the columns that are chained."""

    originator_id: str
    originator_version: int
    topic: str
    state: bytes
    notification_id: int
    webhook_id: str
    recorded_at: datetime


def link(previous: bytes, row: Row) -> bytes:
    """Return the row's hash: SHA-256 over the hash before it and every column.

    Lengths precede the texts, so that no two rows read alike.
    """
    texts = row.originator_id.encode(), row.topic.encode(), row.webhook_id.encode()
    recorded_us = (row.recorded_at - _EPOCH) // _MICROSECOND
    numbers = row.notification_id, recorded_us, row.originator_version
    header = _pack(*numbers, *map(len, texts), len(row.state))
    return hashlib.sha256(b"".join((previous, header, *texts, row.state))).digest()
