"""How the rows that follow from several aggregates get into their read model's table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from psycopg.sql import SQL, Identifier

from postgres.arrays import TextArray
from postgres.prepared import execute
from projections.live.upsert import beside, listed, of_streams, parts_of, replacing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from collections.abc import Set as AbstractSet
    from typing import TypeAlias

    from psycopg import Connection
    from psycopg.sql import Composable, Composed

    from projections.read_model import ReadModel, Row

    Group: TypeAlias = tuple[str, ...]

_GROUPS: Final = "SELECT DISTINCT ARRAY[{group}] FROM {source} AS s WHERE {among}"
_WRITE: Final = """
    WITH fresh ({columns}) AS MATERIALIZED ({select}), gone AS ({beside}) {replacing}
"""
# Group by group: by the index, and never one with all others, whatever the planner believes.
_EACH: Final = """
    SELECT of_one.* FROM unnest({values}) AS one ({group})
    CROSS JOIN LATERAL ({select} OFFSET 0) AS of_one
"""
_FRESH: Final = "SELECT {columns} FROM fresh"
_FILL: Final = "INSERT INTO {table} ({columns}) {select}"


class Regrouping:
    """Writes the rows of groups anew, when rows that they follow from have changed.

    They are selected as a rebuild selects those of the whole table. Both tables have an index on
    the columns of the group.
    """

    def __init__(self, model: ReadModel, source: ReadModel, schema: str) -> None:
        assert model.grouped is not None, "its rows are grouped"
        self.source = source.table
        self._group = model.grouped.group
        self._from = Identifier(schema, source.table)
        names = [column.name for column in source.columns]
        self._places = [names.index(name) for name in self._group]
        self._groups = self.select_groups(of_streams(SQL("$1"))).as_bytes(None)
        places = range(1, len(self._group) + 1)
        values = SQL(", ").join(SQL(f"${place}::text[]") for place in places)
        among = SQL("({}) IN (SELECT * FROM unnest({}))").format(listed(self._group, "s"), values)
        fresh = SQL(_FRESH).format(**parts_of(model, schema))
        self._write = (
            SQL(_WRITE)
            .format(
                select=each_group(model, schema, values),
                beside=beside(model, schema, fresh, among),
                replacing=replacing(model, schema, fresh),
                **parts_of(model, schema),
            )
            .as_bytes(None)
        )

    def select_groups(self, among: Composable) -> Composed:
        """Return what selects the groups in which there are rows `s` among some, as arrays."""
        return SQL(_GROUPS).format(group=listed(self._group), source=self._from, among=among)

    def groups(self, conn: Connection, streams: Sequence[str]) -> set[Group]:
        """Return the groups in which streams have rows."""
        found = execute(conn, self._groups, [TextArray(streams)])
        return {tuple(group) for (group,) in found}

    def groups_of(self, rows: Iterable[Row]) -> set[Group]:
        """Return the groups of rows of the source."""
        return {tuple(str(row[place]) for place in self._places) for row in rows}

    def write(self, conn: Connection, groups: AbstractSet[Group]) -> None:
        """Write the rows of groups anew, in the caller's transaction."""
        execute(conn, self._write, [TextArray(column) for column in zip(*groups, strict=True)])


def each_group(model: ReadModel, schema: str, values: Composable) -> Composed:
    """Return what selects the rows of some groups, of whose columns an array each is given."""
    assert model.grouped is not None, "its rows are grouped"
    group = model.grouped.group
    is_one = SQL("({}) = ({})").format(listed(group, "s"), listed(group, "one"))
    select = _select(model, schema, is_one)
    return SQL(_EACH).format(values=values, group=listed(group), select=select)


def filling(model: ReadModel, schema: str) -> Composed:
    """Return the statement that writes the rows of all groups."""
    select = _select(model, schema, SQL("true"))
    return SQL(_FILL).format(select=select, **parts_of(model, schema))


def _select(model: ReadModel, schema: str, among: Composable) -> Composed:
    assert model.grouped is not None, "its rows are grouped"
    source = Identifier(schema, model.grouped.source)
    return SQL(model.grouped.select).format(source=source, among=among)
