"""How the rows that follow from changed aggregates get into a read model's table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from psycopg.sql import SQL, Identifier

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from psycopg import Connection
    from psycopg.sql import Composed

    from projections.read_model import ReadModel, Row

_encode = msgspec.json.Encoder().encode
_UPSERT: Final = """
    INSERT INTO {table} AS t ({columns})
    SELECT {columns} FROM json_populate_recordset(NULL::{table}, %(rows)s::json)
    ON CONFLICT ({key}) DO UPDATE SET ({columns}) = ROW ({new})
    WHERE ROW ({old}) IS DISTINCT FROM ROW ({new})
"""
_DELETE: Final = """
    DELETE FROM {table} WHERE stream_id = ANY (%(streams)s) AND ({key}) NOT IN (
        SELECT {key} FROM json_populate_recordset(NULL::{table}, %(rows)s::json)
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
        self._names = [column.name for column in model.columns]
        parts = {
            "table": Identifier(schema, model.table),
            "columns": _list(self._names),
            "key": _list(model.key),
            "old": _list(self._names, "t"),
            "new": _list(self._names, "excluded"),
        }
        self._upsert, self._delete = SQL(_UPSERT).format(**parts), SQL(_DELETE).format(**parts)

    def write(self, conn: Connection, rows: Iterable[Row], losing: Sequence[str] = ()) -> None:
        """Write rows in the caller's transaction, among them all of the streams that are losing."""
        objects = [dict(zip(self._names, row, strict=True)) for row in rows]
        parameters = {"rows": _encode(objects).decode(), "streams": list(losing)}
        if losing:
            conn.execute(self._delete, parameters, prepare=True)
        conn.execute(self._upsert, parameters, prepare=True)


def _list(names: Iterable[str], table: str = "") -> Composed:
    return SQL(", ").join(Identifier(*filter(None, (table, name))) for name in names)
