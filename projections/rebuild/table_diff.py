"""What a rebuilt table has that the live one has not, and the other way round."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from psycopg.errors import UniqueViolation
from psycopg.sql import SQL, Identifier, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg import Connection
    from psycopg.sql import Composed

    from projections.read_model import ReadModel

EXAMPLES_MAX: Final = 5

_COMPARE: Final = """
    CREATE UNLOGGED TABLE {found} AS
    SELECT {either_key}, CASE WHEN l.{first} IS NULL THEN 'added' WHEN n.{first} IS NULL
    THEN 'removed' ELSE 'changed' END AS how
    FROM {live} AS l FULL JOIN {new} AS n ON ({l_key}) = ({n_key})
    WHERE ROW ({l_columns}) IS DISTINCT FROM ROW ({n_columns})
"""
_EXAMPLES: Final = """
    SELECT concat_ws('/', {key}) FROM {found} WHERE how = %s ORDER BY {key} LIMIT {examples_max}
"""
_IS_EMPTY: Final = "SELECT NOT EXISTS (SELECT FROM {live})"
_FIRST: Final = "SELECT concat_ws('/', {key}) FROM {new} ORDER BY {key} LIMIT {examples_max}"
_DELETE_REMOVED: Final = """
    DELETE FROM {live} AS l USING {found} AS f WHERE ({l_key}) = ({f_key})
    AND NOT EXISTS (SELECT FROM {new} AS n WHERE ({n_key}) = ({f_key}))
"""
_DELETE_ALL: Final = "DELETE FROM {live} AS l USING {found} AS f WHERE ({l_key}) = ({f_key})"
_WRITE: Final = """
    INSERT INTO {live} AS l ({columns})
    SELECT {n_columns} FROM {new} AS n JOIN {found} AS f ON ({n_key}) = ({f_key})
    ON CONFLICT ({key}) DO UPDATE SET ({columns}) = ROW ({excluded})
    WHERE ROW ({l_columns}) IS DISTINCT FROM ROW ({excluded})
"""
# Where nothing stands there is nothing to conflict with, which takes a third of the time.
_WRITE_ALL: Final = "INSERT INTO {live} ({columns}) SELECT {columns} FROM {new}"


class Found(NamedTuple):
    """How many rows differ in one way; examples are keys, the parts with slashes between."""

    rows: int
    examples: list[str]


NONE: Final = Found(0, [])


class Difference(NamedTuple):
    """How the live rows of one table differ from the rebuilt ones, of which there are `rows`.

    To be added is what the live table lacks, to be removed what only it has.
    """

    table: str
    rows: int
    added: Found
    removed: Found
    changed: Found

    @property
    def ways(self) -> dict[str, Found]:
        """The three by their names."""
        return {"added": self.added, "removed": self.removed, "changed": self.changed}

    @property
    def none(self) -> bool:
        """Whether every value of every row is equal."""
        return not any(way.rows for way in self.ways.values())


class Comparison:
    """Compares one read model's live table with the one in another schema, and makes it equal.

    Only the read model's own columns count: those that somebody has added are left alone.
    """

    def __init__(self, schema: str, model: ReadModel) -> None:
        self.model = model
        columns = [column.name for column in model.columns]
        self._parts = {
            "live": Identifier("raphus", model.table),
            "new": Identifier(schema, model.table),
            "found": Identifier(schema, f"{model.table} differences"),
            "first": Identifier(model.key[0]),
            "key": _list(None, model.key),
            "columns": _list(None, columns),
            "excluded": _list("excluded", columns),
            **{f"{table}_key": _list(table, model.key) for table in "lnf"},
            **{f"{table}_columns": _list(table, columns) for table in "ln"},
            "either_key": SQL(", ").join(
                SQL("coalesce(l.{0}, n.{0}) AS {0}").format(Identifier(name)) for name in model.key
            ),
            "examples_max": Literal(EXAMPLES_MAX),
        }

    def compare(self, conn: Connection[Any]) -> Difference:
        """Compare row by row, in the caller's transaction, and keep the keys that differ.

        They go to a table, since after a change of the schema they may be all there are. Where the
        live table is empty, they are those of the other one.
        """
        ((rows,),) = conn.execute(self._sql("SELECT count(*) FROM {new}")).fetchall()
        if self.is_to_be_filled(conn):
            self._parts["found"] = self._parts["new"]
            first = [text for (text,) in conn.execute(self._sql(_FIRST))]
            return Difference(self.model.table, rows, Found(rows, first), NONE, NONE)
        if conn.execute(self._sql(_COMPARE)).rowcount == 0:
            return Difference(self.model.table, rows, NONE, NONE, NONE)
        counts = dict(
            conn.execute(self._sql("SELECT how, count(*) FROM {found} GROUP BY how")).fetchall()
        )
        ways = ("added", "removed", "changed")
        found = [
            Found(counts[how], self._examples(conn, how)) if how in counts else NONE for how in ways
        ]
        return Difference(self.model.table, rows, *found)

    def is_to_be_filled(self, conn: Connection[Any]) -> bool:
        """Tell whether the live table has no row: then nothing is looked up to write it."""
        ((empty,),) = conn.execute(self._sql(_IS_EMPTY)).fetchall()
        return bool(empty)

    def apply(self, conn: Connection[Any]) -> None:
        """Make the live rows that differed what the rebuilt ones are now, and touch no others.

        Where it has any, the other table needs its key.
        """
        if not self.is_to_be_filled(conn):
            conn.execute(self._sql(_DELETE_REMOVED))
        if self.is_to_be_filled(conn):
            conn.execute(self._sql(_WRITE_ALL))
            return
        try:
            with conn.transaction():
                conn.execute(self._sql(_WRITE))
        except UniqueViolation:
            # Two rows have exchanged what is unique beside the key: no order of updates would do.
            conn.execute(self._sql(_DELETE_ALL))
            conn.execute(self._sql(_WRITE))

    def _examples(self, conn: Connection[Any], how: str) -> list[str]:
        return [text for (text,) in conn.execute(self._sql(_EXAMPLES), [how])]

    def _sql(self, text: str) -> Composed:
        return SQL(text).format(**self._parts)


def _list(table: str | None, names: Iterable[str]) -> Composed:
    return SQL(", ").join(Identifier(*filter(None, (table, name))) for name in names)
