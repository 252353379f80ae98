"""The recorder: eventsourcing's, on PostgreSQL, with dense positions and one COPY a batch."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any, Final, cast

from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Identifier

from domain.chain import GENESIS, Row, link
from domain.mapper import RecordedEvent, StoredDelivery

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from eventsourcing.persistence import StoredEvent
    from psycopg import Cursor
    from psycopg.sql import Composed

_COPY_TYPES: Final = ("text", "int8", "text", "bytea", "int8", "text", "timestamptz", "bytea")


class LedgerRecorder(PostgresApplicationRecorder):
    """Records batches of events, all or nothing, in one plain transaction.

    Positions are given under the library's table lock as last + 1, so they are dense: a reader
    that sees n events up to position n has missed none. `recorded_at` is the database's clock
    under the same lock and never goes back along the log.
    """

    def __init__(self, datastore: PostgresDatastore, *, events_table_name: str) -> None:
        super().__init__(datastore, events_table_name=events_table_name)
        table = Identifier(datastore.schema, events_table_name)
        # One round trip. The lock keeps the order of positions and of commits the same: see
        # `_lock_table` in eventsourcing.postgres for what readers miss without it.
        self._begin_statement = SQL(
            "SET LOCAL lock_timeout = '{timeout}s'; LOCK TABLE {table} IN EXCLUSIVE MODE;"
            " NOTIFY {channel};"
            " SELECT notification_id AS position, hash,"
            " greatest(clock_timestamp(), recorded_at) AS recorded_at"
            " FROM (SELECT 1) AS always LEFT JOIN LATERAL (SELECT * FROM {table}"
            " ORDER BY notification_id DESC LIMIT 1) AS head ON true"
        ).format(timeout=datastore.lock_timeout, table=table, channel=Identifier(self.channel_name))
        self._copy_statement = SQL(
            "COPY {table} (originator_id, originator_version, topic, state, notification_id,"
            " webhook_id, recorded_at, hash) FROM STDIN (FORMAT BINARY)"
        ).format(table=table)
        self._select_statement = SQL(
            "SELECT originator_id, originator_version, topic, state, notification_id, recorded_at"
            " FROM {table} AS recorded"
        ).format(table=table)
        self._select_versions_statement = SQL(
            "SELECT stream, (SELECT originator_version FROM {table} WHERE originator_id = stream"
            " ORDER BY originator_version DESC LIMIT 1) FROM unnest(%s::text[]) AS stream"
        ).format(table=table)

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
        with self.datastore.transaction(commit=True) as curs:
            self._insert_events(curs, stored_events, **kwargs)
            return self._copy_events(curs, cast("Sequence[StoredDelivery]", stored_events))

    def _copy_events(self, curs: Cursor[Any], stored_events: Sequence[StoredDelivery]) -> list[int]:
        last, recorded_at, previous = self._begin(curs)
        positions = list(range(last + 1, last + 1 + len(stored_events)))
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
                copy.write_row((*row, previous))
        return positions

    def _begin(self, curs: Cursor[Any]) -> tuple[int, datetime, bytes]:
        curs.execute(self._begin_statement)
        while curs.nextset():
            pass
        head: dict[str, Any] = curs.fetchone() or {}
        recorded_at: datetime = head["recorded_at"]
        return head["position"] or 0, recorded_at.astimezone(UTC), head["hash"] or GENESIS

    def select_versions(self, stream_ids: Sequence[str]) -> dict[str, int]:
        """Return the version of each stream, 0 for one that does not exist."""
        with self.datastore.get_connection() as conn, conn.cursor(row_factory=tuple_row) as curs:
            curs.execute(self._select_versions_statement, (list(stream_ids),), prepare=True)
            return {stream: version or 0 for stream, version in curs}

    def select_deliveries(self, asked_for: Sequence[tuple[str, str]]) -> list[RecordedEvent]:
        """Return what is held of each pair of a stream and a webhook-id."""
        if not asked_for:
            return []
        # OFFSET 0 keeps the planner at one index look-up a stream, whatever it thinks of the
        # size of a table that has just been filled.
        asked = SQL(
            "SELECT held.* FROM unnest(%s::text[], %s::text[]) AS asked (stream, webhook)"
            " CROSS JOIN LATERAL ({select} WHERE originator_id = stream"
            " AND webhook_id = webhook OFFSET 0) AS held ORDER BY held.notification_id"
        ).format(select=self._select_statement)
        return self._recorded(asked, [list(column) for column in zip(*asked_for, strict=True)])

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
        with (
            self.datastore.get_connection() as conn,
            conn.cursor(row_factory=tuple_row, binary=True) as curs,
        ):
            return [_recorded(*row) for row in curs.execute(statement, parameters, prepare=True)]


def _recorded(
    stream: str, version: int, topic: str, state: bytes, position: int, recorded_at: datetime
) -> RecordedEvent:
    return RecordedEvent(stream, version, topic, state, position, recorded_at.astimezone(UTC))
