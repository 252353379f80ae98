"""The short way into the log: events that are all new, recorded by one statement."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from ledger.clock import TOLERANCE
from ledger.integrity.hash_chain import told
from ledger.mapper import encode
from postgres.arrays import BytesArray, TextArray
from postgres.prepared import Question, is_prepared, value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from psycopg import Connection

    from domain.aggregates.routing import Route
    from domain.delivery import Delivery

_RECORD: Final = b"SELECT raphus.record_new($1, $2, $3, $4, $5, $6, $7, $8)"


class NewEvent(NamedTuple):
    """A delivery's columns before it is in the log, which gives the others."""

    stream: str
    topic: str
    state: bytes
    webhook_id: str


def new_events(routed: Iterable[tuple[Delivery, Route]]) -> list[NewEvent] | None:
    """Return the columns of deliveries; None where two have one webhook-id."""
    events = [
        NewEvent(to.stream_id, to.topic, encode(delivery), delivery.webhook_id)
        for delivery, to in routed
    ]
    return events if len({event.webhook_id for event in events}) == len(events) else None


def record_new(conn: Connection[Any], events: Sequence[NewEvent]) -> int | None:
    """Record events with webhook-ids of their own; return the position of the first.

    The others follow it. What is recorded is, to the byte, what the recorder's `insert_events`
    would; but it is one round trip, and a transaction of its own where the connection is in
    autocommit mode. Where one of the webhook-ids is in the log already, or clocks disagree,
    nothing is recorded, and None returned: see `raphus.record_new` in the migrations.
    """
    return cast("int | None", value_of(conn, _RECORD, _parameters(events, tells=True)))


def ask_to_record(
    conn: Connection[Any], events: Sequence[NewEvent], *, tells: bool
) -> Question | None:
    """Ask for the same, and wait for nothing: the question's value is the position, or None.

    It is not asked where `record_new` has not recorded anything on the connection yet. Where it is
    not to tell those who follow the log, the caller does so (`ledger.telling`).
    """
    if not is_prepared(conn, _RECORD):
        return None
    return Question(conn, _RECORD, _parameters(events, tells=tells))


def _parameters(events: Sequence[NewEvent], *, tells: bool) -> list[object]:
    chained = BytesArray(
        told(one.stream, one.topic, one.webhook_id, hashlib.sha256(one.state).digest())
        for one in events
    )
    streams, topics, states, webhook_ids = zip(*events, strict=True)
    now = datetime.now(UTC)
    return [
        TextArray(streams),
        TextArray(topics),
        BytesArray(states),
        TextArray(webhook_ids),
        chained,
        now - TOLERANCE,
        now + TOLERANCE,
        tells,
    ]
