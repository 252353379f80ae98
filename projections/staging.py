"""Staging: read models written anew, from the whole log, into tables beside the live ones."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

import msgspec
import psycopg
from psycopg.sql import SQL, Composable, Composed, Identifier

from domain.aggregates import aggregate
from domain.mapper import LedgerMapper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from psycopg import Connection

    from domain.aggregate import Aggregate
    from projections.read_model import ReadModel, Row

_FLUSH_ROWS: Final = 2_000
_REPORT_EVENTS: Final = 5_000
_COLUMN_TYPES: Final = ("text", "int8", "text", "bytea", "int8", "timestamptz")
# Streams one after the other, so that each aggregate is folded once and then forgotten.
_LOG: Final = SQL(
    "COPY (SELECT originator_id, originator_version, topic, state, notification_id, recorded_at"
    " FROM raphus.ledger_events WHERE {condition}"
    " AND (hashtext(originator_id) & 2147483647) % {parts} = {part}"
    " ORDER BY originator_id, originator_version) TO STDOUT (FORMAT BINARY)"
)
_encode = msgspec.json.Encoder().encode


class Staging:
    """Unlogged tables in a schema of their own: quick to fill, and nobody's loss when we die."""

    def __init__(self, schema: str, models: Sequence[ReadModel]) -> None:
        self.schema = schema
        self.models = tuple(models)

    def create(self, conn: Connection[Any]) -> None:
        """Make the tables, without indexes; what a killed run has left goes away."""
        self.drop(conn)
        conn.execute(SQL("CREATE SCHEMA {}").format(Identifier(self.schema)))
        for model in self.models:
            statement = SQL("CREATE UNLOGGED TABLE {} (LIKE {} INCLUDING DEFAULTS)")
            live = Identifier("raphus", model.table)
            conn.execute(statement.format(Identifier(self.schema, model.table), live))

    def index(self, conn: Connection[Any]) -> None:
        """Add the keys, by which rows are replaced and compared."""
        for model in self.models:
            table = Identifier(self.schema, model.table)
            key = SQL(", ").join(map(Identifier, model.key))
            conn.execute(SQL("ALTER TABLE {} ADD PRIMARY KEY ({})").format(table, key))
            conn.execute(SQL("ANALYZE {}").format(table))

    def drop(self, conn: Connection[Any]) -> None:
        """Remove everything."""
        conn.execute(SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(Identifier(self.schema)))

    def load(
        self,
        conninfo: str,
        condition: Composable,
        part: tuple[int, int],
        progress: Callable[[int], None],
    ) -> None:
        """Fold the aggregates of one part (n-th of m) of the log, and write their rows.

        `progress` is told how many events have been read since it was last told.
        """
        statement = _LOG.format(condition=condition, part=part[0], parts=part[1])
        with psycopg.connect(conninfo) as source, psycopg.connect(conninfo) as target:
            target.execute("SET synchronous_commit = off")
            writers = [_Writer(target, self.schema, model) for model in self.models]
            for one in _aggregates(source, statement, progress):
                kind = one.id.partition("/")[0]
                for writer in writers:
                    if kind in writer.model.streams:
                        writer.add(writer.model.rows(one))
            for writer in writers:
                writer.flush()


class _Writer:
    def __init__(self, conn: Connection[Any], schema: str, model: ReadModel) -> None:
        self.model = model
        self._conn = conn
        self._rows: list[Row] = []
        self._names = [column.name for column in model.columns]
        self._insert = SQL(
            "INSERT INTO {table} ({columns})"
            " SELECT {columns} FROM json_populate_recordset(NULL::{table}, %s::json)"
        ).format(
            table=Identifier(schema, model.table),
            columns=SQL(", ").join(map(Identifier, self._names)),
        )

    def add(self, rows: list[Row]) -> None:
        self._rows += rows
        if len(self._rows) >= _FLUSH_ROWS:
            self.flush()

    def flush(self) -> None:
        if self._rows:
            objects = [dict(zip(self._names, row, strict=True)) for row in self._rows]
            self._conn.execute(self._insert, [_encode(objects).decode()])
            self._rows.clear()


def _aggregates(
    conn: Connection[Any], statement: Composed, progress: Callable[[int], None]
) -> Iterator[Aggregate]:
    mapper, read = LedgerMapper(), 0
    with conn.cursor() as curs, curs.copy(statement) as copy:
        copy.set_types(_COLUMN_TYPES)
        for stream_id, rows in groupby(copy.rows(), key=itemgetter(0)):
            events = [mapper.decode(*row) for row in rows]
            read += len(events)
            if read >= _REPORT_EVENTS:
                progress(read)
                read = 0
            yield aggregate(stream_id, events)
    progress(read)
