"""How the rows that follow from several aggregates get into their read model's table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from psycopg.sql import SQL, Identifier

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from collections.abc import Set as AbstractSet
    from typing import TypeAlias

    from psycopg import Connection
    from psycopg.sql import Composed

    from projections.read_model import ReadModel, Row

    Group: TypeAlias = tuple[str, ...]

_GROUPS: Final = "SELECT DISTINCT {group} FROM {source} WHERE stream_id = ANY (%(streams)s)"
_DELETE: Final = "DELETE FROM {table} AS s WHERE {among}"
_INSERT: Final = "INSERT INTO {table} ({columns}) {select}"


class Regrouping:
    """Writes the rows of groups anew, when rows that they follow from have changed.

    The statement is the one that a rebuild fills the whole table by. Both tables have an index on
    the columns of the group.
    """

    def __init__(self, model: ReadModel, source: ReadModel, schema: str) -> None:
        assert model.grouped is not None, "its rows are grouped"
        self.source = source.table
        self._group = model.grouped.group
        names = [column.name for column in source.columns]
        self._places = [names.index(name) for name in self._group]
        columns = SQL(", ").join(SQL("s.{}").format(Identifier(name)) for name in self._group)
        values = SQL(", ").join(
            SQL("%({})s::text[]").format(SQL(name)) for name in map(_parameter, self._group)
        )
        among = SQL("({}) IN (SELECT * FROM unnest({}))").format(columns, values)
        group = SQL(", ").join(map(Identifier, self._group))
        parts = {
            "group": group,
            "source": Identifier(schema, source.table),
            "table": Identifier(schema, model.table),
        }
        self._groups = SQL(_GROUPS).format(**parts)
        self._delete = SQL(_DELETE).format(**parts, among=among)
        self._insert = filling(model, schema, among)

    def groups(self, conn: Connection, streams: Sequence[str]) -> set[Group]:
        """Return the groups in which streams have rows."""
        return set(conn.execute(self._groups, {"streams": list(streams)}, prepare=True))

    def groups_of(self, rows: Iterable[Row]) -> set[Group]:
        """Return the groups of rows of the source."""
        return {tuple(str(row[place]) for place in self._places) for row in rows}

    def write(self, conn: Connection, groups: AbstractSet[Group]) -> None:
        """Write the rows of groups anew, in the caller's transaction."""
        parameters = {
            _parameter(name): [group[place] for group in groups]
            for place, name in enumerate(self._group)
        }
        conn.execute(self._delete, parameters, prepare=True)
        conn.execute(self._insert, parameters, prepare=True)


def filling(model: ReadModel, schema: str, among: Composed | None = None) -> Composed:
    """Return the statement that writes the rows of all groups, or of those among some."""
    assert model.grouped is not None, "its rows are grouped"
    select = SQL(model.grouped.select).format(
        source=Identifier(schema, model.grouped.source), among=among or SQL("true")
    )
    columns = SQL(", ").join(Identifier(column.name) for column in model.columns)
    parts = {"table": Identifier(schema, model.table), "columns": columns, "select": select}
    return SQL(_INSERT).format(**parts)


def _parameter(name: str) -> str:
    return f"of_{name}"
