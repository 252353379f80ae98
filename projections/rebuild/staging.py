"""Read models written anew, from the whole log, into tables beside the live ones."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
from psycopg.sql import SQL, Composable, Composed, Identifier
from psycopg.types.json import set_json_dumps

from domain.aggregates.factory import aggregate
from ledger.mapper import COLUMN_TYPES, COLUMNS, LedgerMapper
from postgres.connections import WORKING, connect
from projections.batches import batches, kind_of
from projections.live.regrouping import filling
from projections.live.upsert import Replacement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from psycopg import Connection

    from domain.aggregate import Aggregate
    from projections.read_model import ReadModel, Row

_FLUSH_ROWS: Final = 2_000
_REPORT_EVENTS: Final = 5_000
# Streams one after the other, so that each aggregate is folded once and then forgotten.
_LOG: Final = SQL(
    f"COPY (SELECT {COLUMNS} FROM raphus.housed_events WHERE {{condition}}"  # noqa: S608 -- constants
    " AND (hashtext(originator_id) & 2147483647) % {parts} = {part}"
    " ORDER BY originator_id, notification_id) TO STDOUT (FORMAT BINARY)"
)
SETTINGS: Final = "SET jit = off; SET work_mem = '64MB'"
"""For every connection of a rebuild."""


class Staging:
    """Unlogged tables in a schema of their own: quick to fill, and dropped by the next run."""

    def __init__(self, schema: str, models: Sequence[ReadModel]) -> None:
        self.schema = schema
        self.models = tuple(models)

    def create(self, conn: Connection[Any], *, indexed: bool = False) -> None:
        """Make the tables, with all the live ones' indexes or none; a killed run's go away."""
        self.drop(conn)
        conn.execute(SQL("CREATE SCHEMA {}").format(Identifier(self.schema)))
        statement = SQL(
            "CREATE UNLOGGED TABLE {} (LIKE {} INCLUDING DEFAULTS INCLUDING GENERATED {})"
        )
        indexes = SQL("INCLUDING INDEXES" if indexed else "")
        for model in self.models:
            staged, live = (Identifier(schema, model.table) for schema in (self.schema, "raphus"))
            conn.execute(statement.format(staged, live, indexes))

    def look_at(self, conn: Connection[Any], model: ReadModel) -> None:
        """Let the planner know one table, from which others follow."""
        conn.execute(SQL("ANALYZE {}").format(Identifier(self.schema, model.table)))

    def follow(self, conn: Connection[Any], model: ReadModel) -> None:
        """Write the rows of one table that follow from other tables."""
        self.fill(conn, model)
        if model.derived is not None:
            self._add_key(conn, model)
            self.derive(conn, model)

    def index(self, conn: Connection[Any], model: ReadModel) -> None:
        """Add the key of one table, by which rows are replaced, once all are written.

        What makes up groups is found by these, too.
        """
        if model.derived is None:
            self._add_key(conn, model)
        for group in self._groups_of(model):
            columns = SQL(", ").join(map(Identifier, group))
            table = Identifier(self.schema, model.table)
            conn.execute(SQL("CREATE INDEX ON {} ({})").format(table, columns))
        self.look_at(conn, model)

    def _add_key(self, conn: Connection[Any], model: ReadModel) -> None:
        table, key = (
            Identifier(self.schema, model.table),
            SQL(", ").join(map(Identifier, model.key)),
        )
        conn.execute(SQL("ALTER TABLE {} ADD PRIMARY KEY ({})").format(table, key))

    def fill(self, conn: Connection[Any], model: ReadModel) -> None:
        """Write the rows of one table, if they are grouped, from those that they follow from."""
        if model.grouped is not None:
            with _over_all(conn):
                conn.execute(filling(model, self.schema))

    def derive(self, conn: Connection[Any], model: ReadModel) -> None:
        """Write the rows of one table with its key, if they are derived, from the other tables."""
        if model.derived is not None:
            with _over_all(conn):
                rows = model.derived.rows(conn, self.schema, None)
                Replacement(model, self.schema).write(conn, rows)

    def _groups_of(self, model: ReadModel) -> set[tuple[str, ...]]:
        return {
            one.grouped.group
            for one in self.models
            if one.grouped and model.table in (one.table, one.grouped.source)
        }

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

        `progress` is called with how many events have been read since its last call.
        """
        statement = _LOG.format(condition=condition, part=part[0], parts=part[1])
        with _connected(conninfo) as source, _connected(conninfo) as target:
            writers = [_Writer(target, self.schema, model) for model in self.models]
            for some in batches(_aggregates(source, statement, progress)):
                kind = kind_of(some[0])
                for writer in writers:
                    if kind in writer.model.streams:
                        for folded in some:
                            writer.add(writer.model.rows(folded))
            for writer in writers:
                writer.flush()


class _Writer:
    """Copies rows of one read model into its table, so many at a time."""

    def __init__(self, conn: Connection[Any], schema: str, model: ReadModel) -> None:
        self.model = model
        self._conn = conn
        self._rows: list[Row] = []
        self._types = [column.type for column in model.columns]
        self._arrays = [n for n, type_ in enumerate(self._types) if type_.endswith("[]")]
        self._copy = SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
            Identifier(schema, model.table),
            SQL(", ").join(Identifier(column.name) for column in model.columns),
        )

    def add(self, rows: list[Row]) -> None:
        self._rows += rows
        if len(self._rows) >= _FLUSH_ROWS:
            self.flush()

    def flush(self) -> None:
        if self._rows:
            with self._conn.cursor() as curs, curs.copy(self._copy) as copy:
                copy.set_types(self._types)
                for row in self._rows:
                    copy.write_row(self._copyable(row))
            self._rows.clear()

    def _copyable(self, row: Row) -> Sequence[object]:
        if not self._arrays:
            return row
        # An array is copied from a list only.
        values = list(row)
        for place in self._arrays:
            values[place] = list(cast("tuple[object, ...]", row[place]))
        return values


@contextmanager
def _over_all(conn: Connection[Any]) -> Iterator[None]:
    """Join whole tables by hashing or sorting, in a transaction.

    Where the planner takes a few rows for one, or for none, it would read a table for each of them.
    """
    with conn.transaction():
        conn.execute("SET LOCAL enable_nestloop = off")
        yield


def _connected(conninfo: str) -> Connection[Any]:
    conn = connect(conninfo, WORKING, "raphus-rebuild")
    conn.execute(SETTINGS)
    conn.execute("SET synchronous_commit = off")  # a crash empties unlogged tables anyway
    conn.autocommit = False
    set_json_dumps(msgspec.json.encode, conn)
    return conn


def _aggregates(
    conn: Connection[Any], statement: Composed, progress: Callable[[int], None]
) -> Iterator[Aggregate]:
    mapper, read = LedgerMapper(), 0
    with conn.cursor() as curs, curs.copy(statement) as copy:
        copy.set_types(COLUMN_TYPES)
        for stream_id, rows in groupby(copy.rows(), key=itemgetter(0)):
            events = [mapper.decode(*row) for row in rows]
            read += len(events)
            if read >= _REPORT_EVENTS:
                progress(read)
                read = 0
            yield aggregate(stream_id, events)
    progress(read)
