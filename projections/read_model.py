"""Tables whose rows are a pure function of one aggregate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import (
    TYPE_CHECKING,
    Final,
    Literal,
    LiteralString,
    NamedTuple,
    TypeAlias,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec

from domain.aggregates.catalogue import KINDS, STREAMS
from domain.entity import Drift
from domain.field_readers import struct_of
from domain.state_machine import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from psycopg import Connection

    from domain.aggregate import Aggregate
    from postgres.together import Sent

Row: TypeAlias = "tuple[object, ...]"
"""A row's values, in the order of the read model's columns."""

_TYPES: Final[Mapping[object, str]] = {
    str: "text",
    int: "bigint",
    bool: "boolean",
    datetime: "timestamptz",
    Decimal: "numeric",
    Drift: "jsonb",
    Verdict: "text",
    tuple[str, ...]: "text[]",
    dict[str, str]: "jsonb",
}


class Column(NamedTuple):
    """A column of a table; `type` as PostgreSQL spells it."""

    name: str
    type: str
    nullable: bool = False


@dataclass(frozen=True)
class Grouped:
    """How rows follow from several aggregates: from what these have in another read model.

    Rows of the table `source` that have equal values in the columns of `group` make up a group, and
    so do the rows that follow from them, which have these columns, too. Those that do not meet
    `counts`, a condition on `s`, are in no group. `select` selects the rows, in the order of their
    table's columns, from `{source}`, of which `{among}` is a condition on `s`: that a row is of a
    group that is asked for. `{kept}` says whether these are read once for all that is asked of
    them, or by the indexes each time.
    """

    source: str
    group: tuple[str, ...]
    counts: LiteralString
    select: LiteralString


@dataclass(frozen=True)
class Derived:
    """How rows follow from other read models, the `tables`, by more than a statement.

    Of streams that were touched, each from an instant of occurrence on, `affected` tells what
    selects those whose rows may be others now, if there can be any; it is given what gives the rows
    of a read model that are written of them, as far as they are at hand. `rows` gives the rows of
    such streams, or of all. Both read the tables of a schema.
    """

    tables: tuple[str, ...]
    affected: Callable[
        [str, Mapping[str, datetime], Callable[[ReadModel], Iterable[Row]]], Sent | None
    ]
    rows: Callable[[Connection, str, Sequence[str] | None], Iterable[Row]]


def _never(_aggregate: Aggregate, _webhook_ids: AbstractSet[str]) -> bool:
    return False


@dataclass(frozen=True)
class ReadModel:
    """A table, and the rows that an aggregate has in it.

    `rows` is pure: the same events give the same rows, so what is written as they arrive and what a
    rebuild writes are equal. No two aggregates' rows share a `key`. `streams` are the first parts
    of the ids of the streams that have rows here. `since` leaves out rows that events under these
    webhook-ids cannot have changed. No further event takes a key away, unless `loses` tells that
    events under these webhook-ids may have, of a stream with others: then the rows of the stream
    stand in place of those that it had. Where the aggregate goes on from a base, these are the rows
    of which the column `began` is not before the first event behind it; what it had before stays.
    Where rows are `grouped` instead, a statement gives them, and where they are `derived`, a
    function: then no aggregate has any of its own.
    """

    table: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: Callable[[Aggregate], list[Row]]
    streams: frozenset[str]
    since: Callable[[Aggregate, AbstractSet[str]], list[Row]] | None = None
    loses: Callable[[Aggregate, AbstractSet[str]], bool] = _never
    began: str = ""
    grouped: Grouped | None = None
    derived: Derived | None = None

    @property
    def may_lose(self) -> bool:
        """Whether there are events that take a key away."""
        return self.loses is not _never

    @property
    def follows(self) -> frozenset[str]:
        """The tables of the read models that this one follows from."""
        grouped = {self.grouped.source} if self.grouped else set()
        return frozenset({*grouped, *(self.derived.tables if self.derived else ())})

    def touched(self, aggregate: Aggregate, webhook_ids: AbstractSet[str]) -> list[Row]:
        """Return the rows that events under these webhook-ids may have changed."""
        return self.since(aggregate, webhook_ids) if self.since else self.rows(aggregate)


def no_rows(_aggregate: Aggregate) -> list[Row]:
    """Return nothing: for a read model whose rows are grouped, or derived."""
    return []


def columns_of(struct: type[msgspec.Struct]) -> tuple[Column, ...]:
    """Return the columns that keep a struct's fields.

    Raises:
        KeyError: a field's type has no column type.
    """
    hints = get_type_hints(struct)
    return tuple(_column(name, hints[name]) for name in struct.__struct_fields__)


def _column(name: str, annotation: object) -> Column:
    if get_origin(annotation) is Literal:
        return Column(name, "text")
    if annotation in _TYPES:
        return Column(name, _TYPES[annotation])
    if get_origin(annotation) is tuple:
        return Column(name, "jsonb")
    declared, *others = get_args(annotation) or (annotation,)
    type_ = "jsonb" if struct_of(declared) else _TYPES[declared]
    return Column(name, type_, nullable=others == [type(None)])


def _column_in(key: tuple[str, ...], column: Column) -> Column:
    return column._replace(nullable=False) if column.name in key else column


def of_entities(kind_name: str, *, table: str, key: tuple[str, ...]) -> ReadModel:
    """Make the read model that keeps one row for each entity of a kind."""
    kind = KINDS[kind_name]
    streams = frozenset(name for name, stream in STREAMS.items() if kind in stream.kinds)

    def rows(aggregate: Aggregate) -> list[Row]:
        return [
            (aggregate.id, known.first_position, *msgspec.structs.astuple(known.entity))
            for known in aggregate.entities()
            if known.kind is kind
        ]

    return ReadModel(
        table=table,
        key=key,
        columns=(
            Column("stream_id", "text"),
            Column("first_position", "bigint"),
            *(_column_in(key, column) for column in columns_of(kind.entity)),
        ),
        rows=rows,
        streams=streams,
    )
