"""Difference: what a rebuilt table has that the live one has not, and the other way round."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from psycopg.sql import SQL, Identifier

if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg import Connection
    from psycopg.sql import Composed

    from projections.read_model import ReadModel

EXAMPLES_MAX: Final = 5


class Difference(NamedTuple):
    """How the live rows of one table differ from the rebuilt ones; examples are keys."""

    table: str
    rows: int
    added: int
    removed: int
    changed: int
    examples: list[str]

    @property
    def none(self) -> bool:
        """Whether every row is equal, to the byte."""
        return not (self.added or self.removed or self.changed)


class Comparison:
    """Compares one read model's live table with the one in another schema, and makes it equal."""

    def __init__(self, schema: str, model: ReadModel) -> None:
        self.model = model
        self._parts = {
            "live": Identifier("raphus", model.table),
            "new": Identifier(schema, model.table),
            "columns": _list(None, [column.name for column in model.columns]),
            "excluded": _list("excluded", [column.name for column in model.columns]),
            "key": _list(None, model.key),
            "same_key": SQL("({}) = ({})").format(_list("l", model.key), _list("n", model.key)),
            "key_text": SQL("concat_ws('/', {})").format(
                SQL(", ").join(
                    SQL("coalesce({}, {})").format(Identifier("n", name), Identifier("l", name))
                    for name in model.key
                )
            ),
            "first": Identifier(model.key[0]),
        }

    def compare(self, conn: Connection[Any]) -> Difference:
        """Compare row by row, in the caller's transaction."""
        both = self._sql(
            "WITH compared AS (SELECT {key_text} AS key, l.{first} IS NULL AS added,"
            " n.{first} IS NULL AS removed, (l.*) IS DISTINCT FROM (n.*) AS differs"
            " FROM {live} AS l FULL JOIN {new} AS n ON {same_key})"
            " SELECT count(*) FILTER (WHERE NOT removed), count(*) FILTER (WHERE added),"
            " count(*) FILTER (WHERE removed),"
            " count(*) FILTER (WHERE differs AND NOT added AND NOT removed),"
            " (array_agg(key ORDER BY key) FILTER (WHERE differs))[1:{examples}] FROM compared"
        )
        (counted,) = conn.execute(both).fetchall()
        rows, added, removed, changed, examples = counted
        return Difference(self.model.table, rows, added, removed, changed, examples or [])

    def apply(self, conn: Connection[Any]) -> None:
        """Make the live table equal to the rebuilt one, touching only what differs."""
        conn.execute(
            self._sql(
                "DELETE FROM {live} AS l WHERE NOT EXISTS (SELECT FROM {new} AS n WHERE {same_key})"
            )
        )
        conn.execute(
            self._sql(
                "INSERT INTO {live} AS t ({columns}) SELECT {columns} FROM {new} AS n"
                " WHERE NOT EXISTS (SELECT FROM {live} AS l"
                " WHERE {same_key} AND (l.*) IS NOT DISTINCT FROM (n.*))"
                " ON CONFLICT ({key}) DO UPDATE SET ({columns}) = ROW ({excluded})"
            )
        )

    def _sql(self, text: str) -> Composed:
        return SQL(text).format(**self._parts, examples=SQL(str(EXAMPLES_MAX)))


def _list(table: str | None, names: Iterable[str]) -> Composed:
    return SQL(", ").join(Identifier(*filter(None, (table, name))) for name in names)
