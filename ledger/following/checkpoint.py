"""How far each follower has followed the log, stored as eventsourcing stores it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eventsourcing.persistence import IntegrityError
from psycopg.errors import DivisionByZero
from psycopg.rows import tuple_row

from ledger.application import Ledger
from postgres.statement import Statement
from postgres.together import COMMIT, Sent, together

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import Connection
    from psycopg.rows import TupleRow

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

_TAKE: Final = b"""
    SELECT notification_id, hash, events FROM raphus.projections_tracking
    WHERE application_name = $1 FOR UPDATE SKIP LOCKED
"""
# What the library's own statement does, and what that knows nothing of. Where there is nothing to
# move it divides by zero, so that what is sent behind it is not done.
_ADVANCE: Final = b"""
    WITH moved AS (
        UPDATE raphus.projections_tracking
        SET notification_id = $2, events = events + $3, hash = $4
        WHERE application_name = $1 AND notification_id < $2 RETURNING notification_id
    )
    SELECT 1 / count(*),
        count(CASE WHEN $5::text IS NOT NULL THEN pg_notify($5, notification_id::text) END)
    FROM moved
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
        self.expected: int | None = None
        """The position at which it stands, unless somebody else moves it."""

    def checkpoint(self, conn: Connection[Any]) -> Checkpoint:
        """Return the checkpoint as it stands."""
        return _there(self._select(conn, ""))

    def take(self, conn: Connection[Any]) -> Checkpoint | None:
        """Lock the checkpoint until the transaction ends; None where somebody else holds it."""
        (rows,) = together(conn, [self.taking()])
        return taken(rows)

    def taking(self) -> Sent:
        """Return the statement that does the same, whose rows are what is `taken`."""
        return Sent(_TAKE, [self._name])

    def hold(self, conn: Connection[Any]) -> Checkpoint:
        """Lock the checkpoint until the transaction ends, once the page at hand is committed."""
        return _there(self._select(conn, " FOR UPDATE"))

    def advance(self, conn: Connection[Any], position: int, hash_: bytes, events: int) -> None:
        """Record, in the caller's transaction, that so many more have been followed.

        `hash_` is the log's at the position up to which all has been followed now.

        Raises:
            IntegrityError: that has been recorded already: somebody else follows too.
        """
        self._run(conn, [self._advancing(position, hash_, events)])

    def commit(
        self, conn: Connection[Any], last: Sequence[Sent], moved: tuple[int, bytes, int]
    ) -> None:
        """Run the last statements of a transaction, record the same in it, and commit it.

        It is one round trip.

        Raises:
            IntegrityError: that has been recorded already; nothing is committed.
        """
        self._run(conn, [*last, self._advancing(*moved), COMMIT])

    def _advancing(self, position: int, hash_: bytes, events: int) -> Sent:
        return Sent(_ADVANCE, [self._name, position, events, hash_, self._channel])

    def _run(self, conn: Connection[Any], statements: Sequence[Sent]) -> None:
        try:
            together(conn, statements)
        except DivisionByZero as error:
            raise IntegrityError(f"{self._name} has been followed so far already") from error

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


def taken(rows: Sequence[TupleRow]) -> Checkpoint | None:
    """Return the checkpoint that has been locked; None where somebody else holds it."""
    return Checkpoint._make(rows[0]) if rows else None


def _there(checkpoint: Checkpoint | None) -> Checkpoint:
    assert checkpoint is not None, "the migrations make the checkpoint"
    return checkpoint
