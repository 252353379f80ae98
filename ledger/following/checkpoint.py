"""How far each follower has followed the log, stored as eventsourcing stores it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eventsourcing.persistence import IntegrityError
from psycopg.rows import tuple_row

from ledger.application import Ledger
from postgres.prepared import execute
from postgres.statement import Statement

if TYPE_CHECKING:
    from psycopg import Connection

_POSITION: Final = (
    "SELECT coalesce(max(notification_id), 0) FROM raphus.projections_tracking"
    " WHERE application_name = %(application)s"
)
POSITION: Final = Statement(_POSITION, {"application": Ledger.name})
"""Selects the position up to which the read models have followed the log, 0 at first."""
LOG_END: Final = Statement("SELECT coalesce(max(notification_id), 0) FROM raphus.ledger_events", {})
"""Selects the last position of the log, 0 where there is none."""
_CHECKPOINT: Final = (
    "SELECT notification_id, hash, events FROM raphus.projections_tracking"
    " WHERE application_name = %(application)s"
)
CHECKPOINT: Final = Statement(_CHECKPOINT, {"application": Ledger.name})
"""Selects the columns of the read models' `Checkpoint`."""

# What the library's own statement does, and in the same round trip what that knows nothing of.
_ADVANCE: Final = b"""
    UPDATE raphus.projections_tracking
    SET notification_id = $2, events = events + $3, hash = $4
    WHERE application_name = $1 AND notification_id < $2
    RETURNING CASE WHEN $5::text IS NOT NULL THEN pg_notify($5, $2::text) END
"""
_CORRECT: Final = (
    "UPDATE raphus.projections_tracking SET events = events + %s, hash = %s"
    " WHERE application_name = %s"
)
_BEGIN_ANEW: Final = """
    INSERT INTO raphus.projections_tracking (application_name, notification_id) VALUES (%s, 0)
    ON CONFLICT (application_name)
    DO UPDATE SET notification_id = 0, events = DEFAULT, hash = DEFAULT
"""
_BEGIN_AT_END: Final = """
    INSERT INTO raphus.projections_tracking (application_name, notification_id, events, hash)
    SELECT %s, coalesce(max(notification_id), 0), coalesce(max(notification_id), 0), coalesce(
        (SELECT hash FROM raphus.ledger_events ORDER BY notification_id DESC LIMIT 1),
        decode(repeat('00', 32), 'hex')
    ) FROM raphus.ledger_events ON CONFLICT (application_name) DO NOTHING
"""
_BEGIN_BESIDE: Final = """
    INSERT INTO raphus.projections_tracking (application_name, notification_id, events, hash)
    SELECT %s, notification_id, notification_id, hash FROM raphus.projections_tracking
    WHERE application_name = %s ON CONFLICT (application_name) DO NOTHING
"""


class Checkpoint(NamedTuple):
    """How far a log has been followed: to a position, and with what.

    `hash` is the log's at the position, and `events` says how many have been taken up to there:
    all of them, as positions are dense, unless one was skipped.
    """

    position: int
    hash: bytes
    events: int


def position_of(name: str) -> Statement:
    """Select the position of the checkpoint with a name, 0 where there is none."""
    return Statement(_POSITION, {"application": name})


def selected(conn: Connection[Any], statement: Statement) -> int:
    """Return the position that a statement selects."""
    with conn.cursor(row_factory=tuple_row) as curs:
        ((position,),) = curs.execute(statement.sql.encode(), statement.params).fetchall()
    return int(position)


class ProjectionTracking:
    """Tracks as the library does, on the connection and in the transaction that write the rows.

    Each follower has a checkpoint under a name of its own; the read models' is the ledger's. A
    channel is notified of each new position, as text, when that is committed.
    """

    def __init__(self, name: str = Ledger.name, channel: str | None = None) -> None:
        self._name = name
        self._channel = channel

    def checkpoint(self, conn: Connection[Any]) -> Checkpoint:
        """Return the checkpoint as it stands."""
        return _there(self._select(conn, ""))

    def take(self, conn: Connection[Any]) -> Checkpoint | None:
        """Lock the checkpoint until the transaction ends; None where somebody else holds it."""
        return self._select(conn, " FOR UPDATE SKIP LOCKED")

    def hold(self, conn: Connection[Any]) -> Checkpoint:
        """Lock the checkpoint until the transaction ends, once the page at hand is committed."""
        return _there(self._select(conn, " FOR UPDATE"))

    def advance(self, conn: Connection[Any], position: int, hash_: bytes, events: int) -> None:
        """Record, in the caller's transaction, that so many more have been followed.

        `hash_` is the log's at the position up to which all has been followed now.

        Raises:
            IntegrityError: that has been recorded already: somebody else follows too.
        """
        moved = [self._name, position, events, hash_, self._channel]
        if not execute(conn, _ADVANCE, moved).rowcount:
            raise IntegrityError(f"{self._name} has been followed up to {position}, or further")

    def correct(self, conn: Connection[Any], hash_: bytes, missed: int) -> None:
        """Record that events which were missed have been made up for; the position stays."""
        conn.execute(_CORRECT, [missed, hash_, self._name])

    def begin_anew(self, conn: Connection[Any]) -> None:
        """Put the checkpoint, whatever it says, before the first event of the log."""
        conn.execute(_BEGIN_ANEW, [self._name])

    def begin_at_end(self, conn: Connection[Any]) -> None:
        """Make the checkpoint at the end of the log, unless there is one."""
        conn.execute(_BEGIN_AT_END, [self._name])

    def begin_beside(self, conn: Connection[Any], name: str = Ledger.name) -> None:
        """Make the checkpoint where another one stands, unless there is one."""
        conn.execute(_BEGIN_BESIDE, [self._name, name])

    def _select(self, conn: Connection[Any], locking: str) -> Checkpoint | None:
        statement = (_CHECKPOINT + locking).encode()
        with conn.cursor(row_factory=tuple_row) as curs:
            row = curs.execute(statement, {"application": self._name}).fetchone()
        return Checkpoint._make(row) if row else None


def _there(checkpoint: Checkpoint | None) -> Checkpoint:
    assert checkpoint is not None, "the migrations make the checkpoint"
    return checkpoint
