"""How the rows that follow from several aggregates get into their read model's table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from psycopg.sql import SQL, Identifier

from postgres.arrays import TextArray
from postgres.prepared import execute
from postgres.together import Sent
from projections.live.upsert import listed, of_streams, parts_of, replacing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from typing import LiteralString, TypeAlias

    from psycopg import Connection
    from psycopg.sql import Composable, Composed

    from projections.read_model import ReadModel

    Group: TypeAlias = tuple[str, ...]

_GROUPS: Final = "SELECT DISTINCT ARRAY[{group}] FROM {source} AS s WHERE {among}"
_RETURNING: Final = "RETURNING {key}, {group}"
_NOW: Final = "SELECT {group} FROM {changed} AS s WHERE {counts}"
# Behind OFFSET 0, so that each is looked up by its key, whatever the planner believes.
_BEFORE: Final = """
    SELECT {group} FROM {changed} AS w
    CROSS JOIN LATERAL (SELECT * FROM {source} AS s WHERE ({key}) = ({of_changed}) OFFSET 0) AS s
    WHERE {counts}
"""
_WRITE: Final = """
    WITH fresh ({columns}) AS MATERIALIZED ({select}), gone AS ({gone}) {replacing}
"""
# Both group by group: by the index, and never one with all others, whatever the planner believes.
_EACH: Final = """
    SELECT of_one.* FROM unnest({values}) AS one ({group})
    CROSS JOIN LATERAL ({select} OFFSET 0) AS of_one
"""
_GONE: Final = """
    DELETE FROM {table} AS s USING unnest({values}) AS one ({group}) CROSS JOIN LATERAL (
        SELECT s.ctid AS place FROM {table} AS s WHERE {is_one} OFFSET 0
    ) AS of_one
    WHERE s.ctid = of_one.place AND ({key}) NOT IN (SELECT {given_key} FROM fresh)
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
        self._counts = SQL(model.grouped.counts)
        self._key = source.key
        self.returning = SQL(_RETURNING).format(key=listed(self._key), group=listed(self._group))
        streams = of_streams(SQL("$1"))
        among = SQL("{} AND {}").format(streams, self._counts)
        groups = SQL(_GROUPS).format(group=listed(self._group), source=self._from, among=among)
        self._groups = groups.as_bytes(None)
        places = range(1, len(self._group) + 1)
        values = SQL(", ").join(SQL(f"${place}::text[]") for place in places)
        parts = parts_of(model, schema)
        gone = SQL(_GONE).format(
            table=parts["table"],
            values=values,
            group=listed(self._group),
            is_one=_is_one(self._group),
            key=listed(model.key, "s"),
            given_key=parts["key"],
        )
        self._write = (
            SQL(_WRITE)
            .format(
                select=each_group(model, schema, values),
                gone=gone,
                replacing=replacing(model, schema, SQL(_FRESH).format(**parts)),
                **parts,
            )
            .as_bytes(None)
        )

    def select_changed(self, changed: Mapping[str, Composable]) -> Composed:
        """Return what selects, as arrays, the groups of the source's rows that are changed.

        Its parts that have written and deleted some are named, and are `returning` them. What they
        have written was in a group before, too, maybe in another one.
        """
        parts = {"group": listed(self._group, "s"), "counts": self._counts, "source": self._from}
        selected = [SQL(_NOW).format(changed=name, **parts) for name in changed.values()]
        if "written" in changed:
            keys = {"key": listed(self._key, "s"), "of_changed": listed(self._key, "w")}
            selected.append(SQL(_BEFORE).format(changed=changed["written"], **keys, **parts))
        return SQL("SELECT ARRAY[{}] FROM ({}) AS changed").format(
            listed(self._group), SQL(" UNION ").join(selected)
        )

    def groups(self, conn: Connection, streams: Sequence[str]) -> set[Group]:
        """Return the groups in which streams have rows."""
        found = execute(conn, self._groups, [TextArray(streams)])
        return {tuple(group) for (group,) in found}

    def write(self, groups: AbstractSet[Group]) -> Sent:
        """Return what writes the rows of groups anew."""
        columns = zip(*sorted(groups), strict=True)
        return Sent(self._write, [TextArray(column) for column in columns])


def each_group(model: ReadModel, schema: str, values: Composable) -> Composed:
    """Return what selects the rows of some groups, of whose columns an array each is given."""
    assert model.grouped is not None, "its rows are grouped"
    group = model.grouped.group
    select = _select(model, schema, _is_one(group), kept="MATERIALIZED")
    return SQL(_EACH).format(values=values, group=listed(group), select=select)


def _is_one(group: Sequence[str]) -> Composed:
    return SQL("({}) = ({})").format(listed(group, "s"), listed(group, "one"))


def filling(model: ReadModel, schema: str) -> Composed:
    """Return the statement that writes the rows of all groups."""
    select = _select(model, schema, SQL("true"), kept="NOT MATERIALIZED")
    return SQL(_FILL).format(select=select, **parts_of(model, schema))


def _select(model: ReadModel, schema: str, among: Composable, kept: LiteralString) -> Composed:
    assert model.grouped is not None, "its rows are grouped"
    source = Identifier(schema, model.grouped.source)
    among = SQL("{} AND {}").format(among, SQL(model.grouped.counts))
    return SQL(model.grouped.select).format(source=source, among=among, kept=SQL(kept))
