"""The recorder: eventsourcing's, on PostgreSQL, with dense positions and one COPY a batch."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg.errors import ReadOnlySqlTransaction
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Identifier, Literal

from ledger.clock import Clocks, doubt, signing_times, stamp
from ledger.integrity.hash_chain import GENESIS, RECORDED, Row, link
from ledger.mapper import COLUMNS, RecordedEvent, StoredDelivery
from ledger.new_events import record_new
from ledger.telling import tell
from postgres.advisory_locks import AdvisoryLock

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from eventsourcing.persistence import StoredEvent
    from psycopg import Cursor
    from psycopg.sql import Composed

    from ledger.new_events import NewEvent
    from postgres.prepared import Question

_log = logging.getLogger(__name__)

WARN_EVERY_S: Final = 60.0
"""How often at the most it is logged that the clocks disagree."""
_COPY_TYPES: Final = ("text", "int8", "text", "bytea", "int8", "text", "timestamptz", "bytea")

_WRITABLE: Final = {"transaction_read_only": "off"}


class LogHead(NamedTuple):
    """The end of the log while no other writer can append: what the next batch follows.

    `recorded_at` is None where the log is empty; `database_at` is the database's clock.
    """

    position: int
    recorded_at: datetime | None
    hash: bytes
    database_at: datetime


class Ends(NamedTuple):
    """Where streams end (0: not begun), and the events that they hold already.

    `last` is the last position of the log then, and `late` whether there was a notice of the topics
    that were asked about, behind the position that was asked about.
    """

    versions: dict[str, int]
    held: list[RecordedEvent]
    last: int
    late: bool


class LedgerRecorder(PostgresApplicationRecorder):
    """Records batches of events, all or nothing, in one plain transaction.

    Positions are given under a lock that all writers take, as last + 1, so they are dense: a
    reader that sees n events up to position n has missed none. `recorded_at` is the time under
    the same lock (see `ledger.clock`).
    """

    def __init__(self, datastore: PostgresDatastore, *, events_table_name: str) -> None:
        super().__init__(datastore, events_table_name=events_table_name)
        table = Identifier(datastore.schema, events_table_name)
        # One round trip. The lock keeps the order of positions and of commits the same: see
        # `_lock_table` in eventsourcing.postgres for what readers miss without it. The library's
        # lock of the table itself would wait for VACUUM. What is selected is seen after the lock
        # is had, as READ COMMITTED takes a snapshot for each statement.
        self._head_statement = SQL(
            "SET LOCAL lock_timeout = '{timeout}s';"
            " SELECT pg_advisory_xact_lock({lock}, {name}::regclass::oid::int4);"
            " NOTIFY {channel};"
            " SELECT notification_id AS position, hash, recorded_at,"
            " clock_timestamp() AS database_at"
            " FROM (SELECT 1) AS always LEFT JOIN LATERAL (SELECT * FROM {table}"
            " ORDER BY notification_id DESC LIMIT 1) AS head ON true"
        ).format(
            timeout=datastore.lock_timeout,
            lock=Literal(AdvisoryLock.APPEND.value),
            name=Literal(table.as_string()),
            table=table,
            channel=Identifier(self.channel_name),
        )
        begin = SQL("BEGIN ISOLATION LEVEL READ COMMITTED; ")
        self._begin_statement = begin + self._head_statement
        self._correct_statement = SQL(
            "INSERT INTO {} (position, wrong_at, recorded_at) VALUES (%s, %s, %s)"
        ).format(Identifier(datastore.schema, "clock_corrections"))
        # What COPY takes: whoever holds the table against that holds every webhook back.
        self._lock_statement = SQL("LOCK TABLE {} IN ROW EXCLUSIVE MODE").format(table)
        self._warn_again_at = 0.0
        self._copy_statement = SQL("COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)").format(
            table=table, columns=SQL(", ").join(map(Identifier, (*RECORDED, "hash")))
        )
        self._select_statement = SQL(f"SELECT {COLUMNS} FROM {{table}} AS recorded").format(  # noqa: S608 -- constants
            table=table
        )
        self._select_histories_statement = SQL(
            f"SELECT {COLUMNS} FROM {{housed}} WHERE originator_id = ANY (%s)"  # noqa: S608 -- constants
            " ORDER BY notification_id"
        ).format(housed=Identifier(datastore.schema, "housed_events"))
        # OFFSET 0 and the order of its columns keep the planner at one look-up a stream in the
        # primary key and one a webhook-id in its index, whatever it thinks of the sizes.
        # What is asked of the notices, and of the log's end, is asked once, each by its index.
        self._select_ends_statement = SQL(
            "SELECT (SELECT coalesce(max(notification_id), 0) FROM {table}),"
            " EXISTS (SELECT FROM {table} WHERE originator_id LIKE 'notice/%%'"
            " AND notification_id > %b AND topic = ANY (%b::text[])),"
            " stream, coalesce(version, 0), held.* FROM"
            " unnest(%b::text[], %b::text[]) AS asked (stream, webhook)"
            " LEFT JOIN LATERAL (SELECT originator_version AS version FROM {table}"
            " WHERE originator_id = stream ORDER BY originator_version DESC LIMIT 1)"
            " AS newest ON true"
            " LEFT JOIN LATERAL (SELECT * FROM ({select} WHERE webhook_id = webhook OFFSET 0)"
            " AS same WHERE originator_id = stream) AS held ON version > 0"
            " ORDER BY held.notification_id"
        ).format(table=table, select=self._select_statement)

    # The library's own runs in a pipeline, which can hang for ever on a large batch, and is
    # tried again when the connection is lost, which turns our own commit into a conflict.
    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: object) -> list[int]:
        """Commit a batch and return its positions.

        Raises:
            IntegrityError: another writer has appended to one of the streams; nothing is stored.
            OperationalError: the database is away or busy; what was stored is not known.
        """
        if not stored_events:
            return []
        # Leaving the connection commits, or rolls back after an error.
        with self.datastore.get_connection() as conn, conn.cursor() as curs:
            head = self._begin(curs)
            self._insert_events(curs, stored_events, **kwargs)
            return self._copy_events(curs, head, cast("Sequence[StoredDelivery]", stored_events))

    def record_new(self, events: Sequence[NewEvent]) -> int | None:
        """Commit events with webhook-ids of their own, the short way; return the first's position.

        None where the long way must be gone (see `ledger.new_events`); nothing is stored then.

        Raises:
            IntegrityError: a writer of an older release was quicker; nothing is stored.
            OperationalError: the database is away or busy; what was stored is not known.
        """
        with self.datastore.get_connection() as conn:
            return record_new(conn, events)

    def tell(self, asked: Question | None) -> None:
        """Tell those who follow the log that it has grown; wait for that where it is `asked`.

        Raises:
            OperationalError: the database is away or busy.
        """
        with self.datastore.get_connection() as conn:
            if asked is None:
                tell(conn)
            else:
                asked.value()

    def close_end(self, curs: Cursor[Any]) -> LogHead:
        """Let nobody else append until the caller's transaction, READ COMMITTED, ends.

        Raises:
            LockNotAvailable: others have appended for all of the writers' patience.
        """
        return self._head(curs, self._head_statement)

    def append(
        self, curs: Cursor[Any], head: LogHead, stored: Sequence[StoredDelivery]
    ) -> list[int]:
        """Append events, once, behind an end that is closed; return their positions.

        Raises:
            IntegrityError: a stream has an event of one of these versions.
        """
        return self._copy_events(curs, head, stored)

    def check(self) -> None:
        """Begin as a batch does, and end without one.

        Raises:
            InternalError: the database is read-only.
            OperationalError: the database is away or busy.
        """
        with self.datastore.get_connection() as conn, conn.cursor() as curs:
            self._begin(curs)
            if curs.execute("SHOW transaction_read_only").fetchall() != [_WRITABLE]:
                raise ReadOnlySqlTransaction
            curs.execute(self._lock_statement)
            conn.rollback()

    def _copy_events(
        self, curs: Cursor[Any], head: LogHead, stored_events: Sequence[StoredDelivery]
    ) -> list[int]:
        recorded_at, previous = self._time_of(curs, head, stored_events), head.hash
        positions = list(range(head.position + 1, head.position + 1 + len(stored_events)))
        with curs.copy(self._copy_statement) as copy:
            copy.set_types(_COPY_TYPES)
            for position, stored in zip(positions, stored_events, strict=True):
                row = Row(
                    str(stored.originator_id),
                    stored.originator_version,
                    stored.topic,
                    stored.state,
                    position,
                    stored.webhook_id,
                    recorded_at,
                )
                previous = link(previous, row)
                copy.write_row((*row[: len(RECORDED)], previous))
        return positions

    def _begin(self, curs: Cursor[Any]) -> LogHead:
        return self._head(curs, self._begin_statement)

    @staticmethod
    def _head(curs: Cursor[Any], statement: Composed) -> LogHead:
        curs.execute(statement)
        while curs.nextset():
            pass
        head: dict[str, Any] = curs.fetchone() or {}
        recorded_at: datetime | None = head["recorded_at"]
        return LogHead(
            head["position"] or 0,
            recorded_at and recorded_at.astimezone(UTC),
            head["hash"] or GENESIS,
            head["database_at"].astimezone(UTC),
        )

    def _time_of(
        self, curs: Cursor[Any], head: LogHead, stored_events: Sequence[StoredDelivery]
    ) -> datetime:
        """Tell the time of a batch, and note it where it is before that of the log's head."""
        signed_at = signing_times(stored.webhook_timestamp for stored in stored_events)
        clocks = Clocks(head.database_at, datetime.now(UTC), signed_at, head.recorded_at)
        recorded_at, corrects = stamp(clocks)
        if corrects:
            place = [head.position + 1, head.recorded_at, recorded_at]
            curs.execute(self._correct_statement, place)
            _log.warning(
                "the time of the log is corrected at position %d: from %s back to %s", *place
            )
        elif (problem := doubt(*clocks[:2], head.recorded_at)) is not None:
            self._warn(problem)
        return recorded_at

    def _warn(self, problem: str) -> None:
        now = time.monotonic()
        if now >= self._warn_again_at:
            self._warn_again_at = now + WARN_EVERY_S
            _log.warning("%s", problem)

    def select_ends(
        self, asked_for: Sequence[tuple[str, str]], topics: Sequence[str] = (), after: int = 0
    ) -> Ends:
        """Return where streams end, and what they hold, of pairs of a stream and a webhook-id.

        There is one pair at least. It tells, too, whether there is a notice of one of the topics
        behind a position.
        """
        columns = [list(column) for column in zip(*asked_for, strict=True)]
        # Not prepared: a plan that was made while the log was small would be kept when it has
        # grown, and read all of it for each webhook-id.
        asked = [after, list(topics), *columns]
        rows = self._rows(self._select_ends_statement, asked, prepare=False)
        held = [_recorded(*row[4:]) for row in rows if row[4] is not None]
        last, late = rows[0][:2]
        return Ends({row[2]: row[3] for row in rows}, held, last, late)

    def select_histories(self, streams: Sequence[str]) -> list[RecordedEvent]:
        """Return the events of streams, in order of their positions.

        What was stored as a notice while its type was unknown is in the stream that takes it now.
        """
        return self._recorded(self._select_histories_statement, [list(streams)])

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> list[RecordedEvent]:
        """Return a stream's events, with their positions and times."""
        where = SQL(
            " WHERE originator_id = %s AND originator_version > %s"
            " AND originator_version <= coalesce(%s, originator_version)"
            " ORDER BY originator_version {order} LIMIT %s"
        ).format(order=SQL("DESC" if desc else "ASC"))
        return self._recorded(self._select_statement + where, [originator_id, gt or 0, lte, limit])

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> list[RecordedEvent]:
        """Return events in the order of their positions, with their times."""
        after = 0 if start is None else start - inclusive_of_start
        where = SQL(
            " WHERE notification_id > %s AND notification_id <= coalesce(%s, notification_id)"
            " AND (%s::text[] IS NULL OR topic = ANY(%s)) ORDER BY notification_id LIMIT %s"
        )
        wanted = list(topics) or None
        return self._recorded(self._select_statement + where, [after, stop, wanted, wanted, limit])

    def _recorded(self, statement: Composed, parameters: Sequence[object]) -> list[RecordedEvent]:
        return [_recorded(*row) for row in self._rows(statement, parameters)]

    def _rows(
        self, statement: Composed, parameters: Sequence[object], *, prepare: bool = True
    ) -> list[tuple[Any, ...]]:
        with (
            self.datastore.get_connection() as conn,
            conn.cursor(row_factory=tuple_row, binary=True) as curs,
        ):
            return curs.execute(statement, parameters, prepare=prepare).fetchall()


def _recorded(
    stream: str, version: int, topic: str, state: bytes, position: int, recorded_at: datetime
) -> RecordedEvent:
    return RecordedEvent(stream, version, topic, state, position, recorded_at.astimezone(UTC))
