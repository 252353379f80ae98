"""The read model of timelines: one row a fact, with its verdict; and the questions asked of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, cast

import msgspec
from psycopg.sql import SQL, Identifier

from domain.aggregates.catalogue import KINDS, RANK_OF_NOTICES, STREAMS
from domain.aggregates.erasure import ERASURE
from domain.aggregates.routing import NOTICE
from domain.lateness import Arrival
from domain.timeline import Entry
from postgres.statement import Statement
from projections.bound import lines_of_business, of_business
from projections.listing import BigInt, Moment, StorableText
from projections.read_model import Column, ReadModel, columns_of
from projections.read_models.disputes import DISPUTES
from projections.read_models.license_keys import LICENSE_KEYS
from projections.read_models.payments import PAYMENTS
from projections.read_models.periods import OBJECTS_THEN
from projections.read_models.refunds import REFUNDS
from projections.read_models.subscriptions import SUBSCRIPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from domain.aggregate import Aggregate
    from projections.read_model import Row

_ENTITIES: Final = {
    "subscription": SUBSCRIPTIONS,
    "payment": PAYMENTS,
    "refund": REFUNDS,
    "dispute": DISPUTES,
    "license_key": LICENSE_KEYS,
}
_RANKS: Final = {
    type_: kind.machine.ranks[word]
    for kind in KINDS.values()
    for type_, word in zip(kind.machine.types, kind.machine.words, strict=True)
}
_POSITION: Final = Entry.__struct_fields__.index("position")
_RENAMED: Final = {"from_": "from_status", "to": "to_status"}


def _column_of(field: Column) -> Column:
    if field.name == "position":
        return Column("position", "bigint")
    return field._replace(name=_RENAMED.get(field.name, field.name))


_OF_ENTRY: Final = tuple(map(_column_of, columns_of(Entry)))
_BEFORE_ENTRY: Final = (
    Column("stream_id", "text"),
    Column("business_id", "text"),
    Column("rank", "bigint"),
)


def _rows(aggregate: Aggregate) -> list[Row]:
    stream_id, business_id = aggregate.id, aggregate.business_id
    rows: list[Row] = []
    for entry in aggregate.timeline():
        rank = _RANKS.get(entry.type, RANK_OF_NOTICES)
        values = msgspec.structs.astuple(entry)
        before, after = values[:_POSITION], values[_POSITION + 1 :]
        rows.append((stream_id, business_id, rank, *before, int(entry.position), *after))
    return rows


def _touched(rows: list[Row], webhook_ids: AbstractSet[str]) -> list[Row]:
    # The fold goes from first to last, so nothing before the first new fact has changed.
    first = next(n for n, row in enumerate(rows) if row[_WEBHOOK_ID] in webhook_ids)
    return rows[first:]


TIMELINE = ReadModel(
    table="timeline",
    # A position belongs to one fact alone. The tenant of a notice may change with a further body.
    key=("webhook_id", "position"),
    columns=(*_BEFORE_ENTRY, *_OF_ENTRY),
    rows=_rows,
    streams=frozenset({*STREAMS, NOTICE, ERASURE}),
    touched=_touched,
)
_NAMES: Final = [column.name for column in TIMELINE.columns]
_RANK, _WEBHOOK_ID, _PLACE = map(_NAMES.index, ("rank", "webhook_id", "position"))


def entries_after(rows: Iterable[Row], position: int) -> list[Entry]:
    """Return, of rows of this read model, the facts that came after a position of the log."""
    return [read(row[_RANK:]).entry for row in rows if cast("int", row[_PLACE]) > position]


class TimelineKey(NamedTuple):
    """A place in a timeline: the order of facts, and the position to tell equals apart."""

    occurred_at: Moment
    rank: BigInt
    webhook_id: StorableText
    position: BigInt


class Line(NamedTuple):
    """A line of a timeline. Only the facts of entities have a key: see `of_entity`."""

    entry: Entry
    rank: int

    @property
    def key(self) -> TimelineKey:
        """The line's place, from which the next page goes on."""
        entry = self.entry
        assert entry.occurred_at is not None, "only a notice has no time"
        return TimelineKey(entry.occurred_at, self.rank, entry.webhook_id, int(entry.position))


_SELECT: Final = (
    f"SELECT t.rank, {', '.join(f't.{column.name}' for column in _OF_ENTRY)}"  # noqa: S608 -- names
    " FROM timeline AS t"
)
_AFTER: Final = (
    " AND (t.occurred_at, t.rank, t.webhook_id, t.position)"
    " > (%(occurred_at)s, %(rank)s, %(webhook_id)s, %(position)s)"
)
# A verdict rests on what occurred before, so it is the same as of any later instant.
_BY: Final = " AND coalesce(t.occurred_at, t.recorded_at) <= %(as_of)s"
_IN_ORDER: Final = " ORDER BY t.occurred_at, t.rank, t.webhook_id, t.position LIMIT %(limit)s"
_OF_CUSTOMER: Final = (
    " JOIN customer_objects AS o"
    " ON o.stream_id = t.stream_id AND o.kind = t.kind AND o.id = t.id"
    " WHERE o.customer_id = %(customer_id)s"
)
_OF_CUSTOMER_THEN: Final = (
    " JOIN objects AS o ON o.stream_id = t.stream_id AND o.kind = t.kind AND o.id = t.id"
    f" WHERE true{_BY}"
)


def of_entity(
    kind: str,
    entity_id: str,
    *,
    after: TimelineKey | None,
    limit: int,
    business_id: str | None = None,
) -> Statement:
    """Select the facts of one entity, in the order they occurred.

    Raises:
        KeyError: there is no such kind.
    """
    model = _ENTITIES[kind]
    stream = SQL(
        " WHERE t.stream_id = (SELECT stream_id FROM {table} AS e WHERE {id} = %(id)s{bound}"
        " ORDER BY first_position LIMIT 1) AND t.kind = %(kind)s AND t.id = %(id)s"
    ).format(
        table=Identifier(model.table),
        id=Identifier(model.key[0]),
        bound=SQL(of_business("e", business_id)),
    )
    asked: dict[str, object] = {"kind": kind, "id": entity_id, "bound_to": business_id}
    return _page(stream.as_string(), asked, after, limit)


def of_customer(
    customer_id: str,
    *,
    as_of: datetime | None,
    after: TimelineKey | None,
    limit: int,
    business_id: str | None = None,
) -> Statement:
    """Select the facts of everything that belongs to a customer, in the order they occurred.

    Of the past it is what belonged to the customer `as_of` an instant, and had occurred by then.
    """
    bound = of_business("o", business_id)
    asked: dict[str, object] = {"customer_id": customer_id, "bound_to": business_id}
    if as_of is None:
        return _page(f"{_OF_CUSTOMER}{bound}", asked, after, limit)
    page = _page(f"{_OF_CUSTOMER_THEN}{bound}", {**asked, "as_of": as_of}, after, limit)
    return page._replace(sql=OBJECTS_THEN + page.sql)


def arrivals(
    customer_id: str, *, as_of: datetime | None, limit: int, business_id: str | None = None
) -> Statement:
    """Select when the facts of a customer occurred and were recorded, the last recorded first."""
    select = "SELECT t.position, t.occurred_at, t.recorded_at FROM timeline AS t"
    last_first = (
        f" AND t.occurred_at IS NOT NULL{of_business('o', business_id)}"
        " ORDER BY t.position DESC LIMIT %(limit)s"
    )
    asked: dict[str, object] = {
        "customer_id": customer_id,
        "as_of": as_of,
        "limit": limit,
        "bound_to": business_id,
    }
    if as_of is None:
        return Statement(f"{select}{_OF_CUSTOMER}{last_first}", asked)
    return Statement(f"{OBJECTS_THEN}{select}{_OF_CUSTOMER_THEN}{last_first}", asked)


def read_arrival(row: Sequence[object]) -> Arrival:
    """Read a row of `arrivals`."""
    return Arrival(*cast("tuple[int, datetime, datetime]", tuple(row)))


def refusals(
    *, as_of: datetime | None, after: int, limit: int, business_id: str | None = None
) -> Statement:
    """Select what is no valid transition, of what had occurred by `as_of`, after a position."""
    where = " WHERE t.verdict IN ('refused', 'anomaly') AND t.position > %(after)s"
    bound = lines_of_business("t", business_id)
    return Statement(
        f"{_SELECT}{where}{bound}{_BY if as_of else ''} ORDER BY t.position LIMIT %(limit)s",
        {"as_of": as_of, "after": after, "limit": limit, "bound_to": business_id},
    )


def rows_then(
    aggregate: Aggregate, kind: str, entity_id: str, after: TimelineKey | None
) -> list[Row]:
    """Give the rows that `of_entity` would select, were this aggregate all there is."""
    rows = [row[_RANK:] for row in _rows(aggregate)]
    lines = [(read(row), row) for row in rows]
    return [
        row
        for line, row in lines
        if (line.entry.kind, line.entry.id) == (kind, entity_id)
        and (after is None or line.key > after)
    ]


def read(row: Sequence[object]) -> Line:
    """Read a row of `of_entity`, `of_customer` or `refusals`."""
    rank, *values = row
    fields = dict(zip(Entry.__struct_encode_fields__, values, strict=True))
    fields["position"] = str(fields["position"])
    return Line(msgspec.convert(fields, Entry), cast("int", rank))


def _page(
    where: str, params: dict[str, object], after: TimelineKey | None, limit: int
) -> Statement:
    place = after._asdict() if after else {}
    sql = f"{_SELECT}{where}{_AFTER if after else ''}{_IN_ORDER}"
    return Statement(sql, {**params, **place, "limit": limit})
