"""How the rows that follow from changed aggregates get into a read model's table."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

import msgspec
from psycopg.sql import SQL, Identifier

from postgres.json_text import JsonText

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from psycopg import Connection
    from psycopg.sql import Composable, Composed

    from projections.read_model import ReadModel, Row

_encode = msgspec.json.Encoder().encode
_GIVEN: Final = "SELECT {columns} FROM json_populate_recordset(NULL::{table}, {rows}::json)"
_UPSERT: Final = """
    INSERT INTO {table} AS t ({columns}) {given}
    ON CONFLICT ({key}) DO UPDATE SET ({columns}) = ROW ({new})
    WHERE ROW ({old}) IS DISTINCT FROM ROW ({new})
"""
_DELETE: Final = """
    DELETE FROM {table} AS s WHERE {among} AND ({key}) NOT IN (SELECT {key} FROM ({given}) AS given)
"""
_OF_STREAMS: Final = "s.stream_id = ANY ({streams})"
_OPEN: Final = """
    s.stream_id = ANY ({streams}) AND EXISTS (
        SELECT FROM unnest({streams}, {begins_at}) AS open (stream_id, begins_at)
        WHERE open.stream_id = s.stream_id AND s.{began} >= open.begins_at
    )
"""


class Replacement:
    """Writes the rows of many aggregates at once, by one upsert from one JSON text.

    The table itself tells the columns' types. For a few rows this is ten times as fast as COPY
    into a temporary table, which every commit would have to empty; for thousands it is as fast.
    A row that stands there already is not written again. Nothing is deleted, but of streams that
    may have lost rows (see `ReadModel`): what these had beside the rows given.
    """

    def __init__(self, model: ReadModel, schema: str) -> None:
        self.model = model
        self._encode = encoder(model)
        rows = given(model, schema, SQL("%(rows)s"))
        self._upsert = replacing(model, schema, rows).as_bytes(None)
        among = of_streams(SQL("%(streams)s"))
        self._delete = beside(model, schema, rows, among).as_bytes(None)

    def write(self, conn: Connection, rows: Iterable[Row], losing: Sequence[str] = ()) -> None:
        """Write rows in the caller's transaction, among them all of the streams that are losing."""
        text = self._encode(rows)
        if losing:
            parameters = {"rows": text, "streams": list(losing)}
            conn.execute(self._delete, parameters, prepare=True)
        if text != NO_ROWS:
            conn.execute(self._upsert, {"rows": text}, prepare=True)


NO_ROWS: Final = b"[]"


def encoder(model: ReadModel) -> Callable[[Iterable[Row]], JsonText]:
    """Return what writes rows as a JSON text, from which PostgreSQL makes those of the table."""
    # As a struct, a row is made and encoded in half of the time that a dict takes. What is null is
    # left out, and read as null: of most rows that is much.
    nullable = [(column.name, object, None) for column in model.columns]
    row: Any = msgspec.defstruct(model.table, nullable, gc=False, omit_defaults=True)
    return lambda rows: JsonText(_encode([row(*values) for values in rows]))


def given(model: ReadModel, schema: str, rows: Composable) -> Composed:
    """Return what selects the rows of a JSON text, in the columns' order."""
    return SQL(_GIVEN).format(rows=rows, **parts_of(model, schema))


def replacing(model: ReadModel, schema: str, rows: Composable) -> Composed:
    """Return the statement that writes the rows that a query gives, in the columns' order."""
    names = [column.name for column in model.columns]
    return SQL(_UPSERT).format(
        given=rows,
        old=listed(names, "t"),
        new=listed(names, "excluded"),
        **parts_of(model, schema),
    )


def of_streams(streams: Composable) -> Composed:
    """Return the condition on `s` that a row is of one of these streams."""
    return SQL(_OF_STREAMS).format(streams=streams)


def open_rows(model: ReadModel, streams: Composable, begins_at: Composable) -> Composed:
    """Return the condition on `s` that its stream may lose a row: see `ReadModel.loses`.

    To each of the streams there is the instant at which what is behind its base begins.
    """
    if not model.began:
        return of_streams(streams)
    began = Identifier(model.began)
    return SQL(_OPEN).format(streams=streams, begins_at=begins_at, began=began)


def beside(model: ReadModel, schema: str, rows: Composable, among: Composable) -> Composed:
    """Return the statement that deletes, of rows `s` among some, what a query does not give."""
    return SQL(_DELETE).format(given=rows, among=among, **parts_of(model, schema))


def emptying(model: ReadModel, schema: str) -> Composed:
    """Return the statement that deletes all rows of streams."""
    parts = parts_of(model, schema)
    return SQL("DELETE FROM {table} WHERE stream_id = ANY (%s)").format(**parts)


def parts_of(model: ReadModel, schema: str) -> dict[str, Composable]:
    """Return a read model's table, columns and key as they are written in statements."""
    return {
        "table": Identifier(schema, model.table),
        "columns": listed([column.name for column in model.columns]),
        "key": listed(model.key),
    }


def listed(names: Iterable[str], table: str = "") -> Composable:
    """Return the names of columns as a list, each with the table's if one is given."""
    return _listed(tuple(names), table)


@cache  # there are as many as lists of columns in this program
def _listed(names: tuple[str, ...], table: str) -> Composable:
    parts = SQL(", ").join(Identifier(*filter(None, (table, name))) for name in names)
    return SQL(parts.as_string(None))
