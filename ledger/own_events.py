"""Events of our own, appended to the log in a transaction that writes more than them."""

from __future__ import annotations

from collections import defaultdict
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import psycopg
from eventsourcing.persistence import PersistenceError
from psycopg.rows import dict_row, tuple_row

from domain.delivery import Delivery
from domain.event import Event
from ledger.application import Ledger
from ledger.mapper import LedgerMapper
from postgres.failures import AWAY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from psycopg import Connection

    from ledger.recorder import LedgerRecorder, LogHead

# OFFSET 0 keeps the planner at one look-up a stream in the primary key.
_VERSIONS: Final = """
    SELECT stream, version FROM unnest(%s::text[]) AS asked (stream) CROSS JOIN LATERAL (
        SELECT originator_version AS version FROM raphus.ledger_events
        WHERE originator_id = stream ORDER BY originator_version DESC LIMIT 1 OFFSET 0
    ) AS newest
"""
_mapper: Final = LedgerMapper()


class OwnEvent(NamedTuple):
    """What is to be appended: unsigned, and under an id of its own unless one is given."""

    stream: str
    topic: str
    body: bytes
    webhook_id: str | None = None


def recorder_of(conninfo: str) -> LedgerRecorder:
    """Return what appends on any connection.

    Raises:
        psycopg.OperationalError: the database is away.
    """
    try:
        with Ledger(conninfo) as ledger:
            return cast("LedgerRecorder", ledger.recorder)
    except PersistenceError as error:
        raise psycopg.OperationalError(AWAY) from error


def close_end(conn: Connection[Any], recorder: LedgerRecorder) -> LogHead:
    """Let nobody append to the log until the caller's transaction, READ COMMITTED, ends.

    Raises:
        psycopg.errors.LockNotAvailable: others append for all of the writers' patience.
    """
    with conn.cursor(row_factory=dict_row) as curs:
        return recorder.close_end(curs)


def append(
    conn: Connection[Any], recorder: LedgerRecorder, head: LogHead, own: Sequence[OwnEvent]
) -> list[int]:
    """Append events, in this order, behind an end that is closed; return their positions.

    What is given no id has one that follows from its place in its stream.
    """
    versions = _versions(conn, {one.stream for one in own})
    stored = []
    for one in own:
        versions[one.stream] += 1
        version = versions[one.stream]
        webhook_id = one.webhook_id or id_of(one.stream, version)
        delivery = Delivery(webhook_id, "", "", one.body)
        event = Event(one.stream, version, one.topic, delivery)
        stored.append(_mapper.to_stored_event(cast("Any", event)))
    with conn.cursor(row_factory=dict_row) as curs:
        return recorder.append(curs, head, stored)


def id_of(stream: str, place: int | str) -> str:
    """Return the webhook-id of an event of ours that follows from its stream and a place in it."""
    kind = stream.partition("/")[0]
    return f"raphus_{kind}_{sha256(f'{stream}/{place}'.encode()).hexdigest()[:32]}"


def _versions(conn: Connection[Any], streams: Iterable[str]) -> defaultdict[str, int]:
    with conn.cursor(row_factory=tuple_row) as curs:
        return defaultdict(int, curs.execute(_VERSIONS, [sorted(streams)]).fetchall())
