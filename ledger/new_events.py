"""The short way into the log: events that are all new, recorded by one statement."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from ledger.clock import TOLERANCE
from ledger.integrity.hash_chain import told
from postgres.arrays import BytesArray, TextArray
from postgres.prepared import value_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import Connection

_RECORD: Final = b"SELECT raphus.record_new($1, $2, $3, $4, $5, $6, $7)"


class NewEvent(NamedTuple):
    """A delivery's columns before it is in the log, which gives the others."""

    stream: str
    topic: str
    state: bytes
    webhook_id: str


def record_new(conn: Connection[Any], events: Sequence[NewEvent]) -> int | None:
    """Record events with webhook-ids of their own; return the position of the first.

    The others follow it. What is recorded is, to the byte, what the recorder's `insert_events`
    would; but it is one round trip, and a transaction of its own where the connection is in
    autocommit mode. Where one of the webhook-ids is in the log already, or clocks disagree,
    nothing is recorded, and None returned: see `raphus.record_new` in the migrations.
    """
    chained = BytesArray(
        told(one.stream, one.topic, one.webhook_id, hashlib.sha256(one.state).digest())
        for one in events
    )
    streams, topics, states, webhook_ids = zip(*events, strict=True)
    now = datetime.now(UTC)
    parameters = [
        TextArray(streams),
        TextArray(topics),
        BytesArray(states),
        TextArray(webhook_ids),
        chained,
        now - TOLERANCE,
        now + TOLERANCE,
    ]
    return cast("int | None", value_of(conn, _RECORD, parameters))
