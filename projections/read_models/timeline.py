"""The read model of timelines: one row a fact, with its verdict; and the questions asked of it."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import msgspec

from domain.aggregates.announcement import ANNOUNCEMENT
from domain.aggregates.catalogue import KINDS, RANK_OF_NOTICES, STREAMS
from domain.aggregates.erasure import ERASURE
from domain.aggregates.routing import NOTICE
from domain.lateness import Arrival
from domain.look import RANK_OF_LOOKS, is_look
from domain.timeline import Entry
from postgres.statement import Statement
from projections.bound import lines_of_business, of_business
from projections.listing import BigInt, Moment, StorableText
from projections.read_model import Column, ReadModel, columns_of
from projections.read_models.abandoned_checkouts import ABANDONED_CHECKOUTS
from projections.read_models.credit_accounts import CREDITS
from projections.read_models.customer_records import CUSTOMER_RECORDS
from projections.read_models.disputes import DISPUTES
from projections.read_models.dunnings import DUNNINGS
from projections.read_models.entitlement_grants import ENTITLEMENT_GRANTS
from projections.read_models.license_keys import LICENSE_KEYS
from projections.read_models.payments import PAYMENTS
from projections.read_models.payouts import PAYOUTS
from projections.read_models.periods import OBJECTS_THEN
from projections.read_models.products import PRODUCTS
from projections.read_models.refunds import REFUNDS
from projections.read_models.subscriptions import SUBSCRIPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from domain.aggregate import Aggregate
    from domain.entity import Entity
    from projections.read_model import Row

_ENTITIES: Final = {
    "subscription": SUBSCRIPTIONS,
    "payment": PAYMENTS,
    "refund": REFUNDS,
    "dispute": DISPUTES,
    "license_key": LICENSE_KEYS,
    "entitlement_grant": ENTITLEMENT_GRANTS,
    "credit": CREDITS,
    "dunning": DUNNINGS,
    "abandoned_checkout": ABANDONED_CHECKOUTS,
    "payout": PAYOUTS,
    "customer": CUSTOMER_RECORDS,
    "product": PRODUCTS,
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
    return _of_lines(aggregate, aggregate.lines())


def _since(aggregate: Aggregate, webhook_ids: AbstractSet[str]) -> list[Row]:
    # The fold goes from first to last, so nothing before the first new fact has changed.
    return _of_lines(aggregate, aggregate.lines(webhook_ids))


def _of_lines(aggregate: Aggregate, lines: Iterable[Entry]) -> list[Row]:
    stream_id, business_id = aggregate.id, aggregate.business_id
    rows: list[Row] = []
    for entry in lines:
        rank = _rank(entry)
        values = msgspec.structs.astuple(entry)
        before, after = values[:_POSITION], values[_POSITION + 1 :]
        rows.append((stream_id, business_id, rank, *before, int(entry.position), *after))
    return rows


def _rank(entry: Entry) -> int:
    if entry.kind != NOTICE and is_look(entry.type):
        return RANK_OF_LOOKS
    return _RANKS.get(entry.type, RANK_OF_NOTICES)


TIMELINE = ReadModel(
    table="timeline",
    # A position belongs to one fact alone. The tenant of a notice may change with a further body.
    key=("webhook_id", "position"),
    columns=(*_BEFORE_ENTRY, *_OF_ENTRY),
    rows=_rows,
    streams=frozenset({*STREAMS, NOTICE, ERASURE, ANNOUNCEMENT}),
    since=_since,
)
_NAMES: Final = [column.name for column in TIMELINE.columns]
_BUSINESS, _RANK, _PLACE = map(_NAMES.index, ("business_id", "rank", "position"))


def entries_after(rows: Iterable[Row], position: int) -> list[Entry]:
    """Return, of rows of this read model, the facts that came after a position of the log."""
    return [_entry(row) for row in rows if cast("int", row[_PLACE]) > position]


def _entry(row: Row) -> Entry:
    values: list[Any] = [*row[_RANK + 1 :]]
    values[_POSITION] = str(values[_POSITION])
    return Entry(*values)


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
    business_id: str

    @property
    def key(self) -> TimelineKey:
        """The line's place, from which the next page goes on."""
        entry = self.entry
        assert entry.occurred_at is not None, "only a notice has no time"
        return TimelineKey(entry.occurred_at, self.rank, entry.webhook_id, int(entry.position))


_SELECT: Final = (
    f"SELECT t.business_id, t.rank, {', '.join(f't.{column.name}' for column in _OF_ENTRY)}"  # noqa: S608 -- names
    " FROM timeline AS t"
)
_AFTER: Final = (
    " AND (t.occurred_at, t.rank, t.webhook_id, t.position)"
    " > (%(occurred_at)s, %(rank)s, %(webhook_id)s, %(position)s)"
)
# A verdict rests on what occurred before, so it is the same as of any later instant.
_BY: Final = " AND coalesce(t.occurred_at, t.recorded_at) <= %(as_of)s"
_IN_ORDER: Final = " ORDER BY t.occurred_at, t.rank, t.webhook_id, t.position LIMIT %(limit)s"
_BEFORE: Final = _AFTER.replace(" > ", " < ")
_NEWEST_FIRST: Final = (
    " ORDER BY t.occurred_at DESC, t.rank DESC, t.webhook_id DESC, t.position DESC LIMIT %(limit)s"
)
_OF_CUSTOMER: Final = (
    " JOIN customer_objects AS o"
    " ON o.stream_id = t.stream_id AND o.kind = t.kind AND o.id = t.id"
    " WHERE o.customer_id = %(customer_id)s"
)
_OF_CUSTOMER_THEN: Final = (
    " JOIN objects AS o ON o.stream_id = t.stream_id AND o.kind = t.kind AND o.id = t.id"
    f" WHERE true{_BY}"
)

# No valid transitions, and what comes after something that was never seen.
_ODD: Final = "(t.gap OR t.verdict IN ('refused', 'anomaly'))"

_OWN: Final = """
    WITH own AS (
        SELECT stream_id, business_id FROM {table} AS e WHERE {id} = %(id)s{bound}
        ORDER BY first_position LIMIT 1
    ), things AS (
        SELECT stream_id, %(kind)s AS kind, %(id)s AS id FROM own
"""
_NAMING: Final = """
        UNION ALL
        SELECT t.stream_id, '{kind}', t.{id} FROM {table} AS t JOIN own USING (business_id)
        WHERE {condition}
"""
_OF_SEVERAL: Final = "t.subscription_ids @> ARRAY[%(id)s::text] AND t.subscription_ids <> '{}'"
_OF_SUBSCRIPTION: Final = "t.subscription_id = %(id)s"
_OF_PAYMENT: Final = "t.payment_id = %(id)s"
NAMED_BY: Final[Mapping[str, Mapping[str, str]]] = {
    "subscription": {
        "payment": _OF_SEVERAL,
        "license_key": _OF_SUBSCRIPTION,
        "entitlement_grant": _OF_SUBSCRIPTION,
        "credit": _OF_SEVERAL,
        "dunning": _OF_SUBSCRIPTION,
    },
    "payment": {
        "refund": _OF_PAYMENT,
        "dispute": _OF_PAYMENT,
        "license_key": _OF_PAYMENT,
        "entitlement_grant": _OF_PAYMENT,
        "dunning": _OF_PAYMENT,
        "abandoned_checkout": f"({_OF_PAYMENT} OR t.recovered_payment_id = %(id)s)",
    },
}
"""What belongs on the timeline of a subscription, or of a payment: what names it."""


def _things(kind: str, business_id: str | None) -> str:
    own, bound = _ENTITIES[kind], of_business("e", business_id)
    parts = [_OWN.format(table=own.table, id=own.key[0], bound=bound)]
    for other, condition in NAMED_BY.get(kind, {}).items():
        model = _ENTITIES[other]
        parts.append(
            _NAMING.format(kind=other, id=model.key[0], table=model.table, condition=condition)
        )
    return f"{''.join(parts)})"


def of_entity(
    kind: str,
    entity_id: str,
    *,
    after: TimelineKey | None,
    limit: int,
    business_id: str | None = None,
    newest_first: bool = False,
) -> Statement:
    """Select the facts of one entity and of what names it, in the order they occurred.

    Where the newest come first, `after` is the one behind which, so before which, they go on.

    Raises:
        KeyError: there is no such kind.
    """
    own = (
        " JOIN things AS o ON o.stream_id = t.stream_id AND o.kind = t.kind AND o.id = t.id"
        " WHERE true"
    )
    asked: dict[str, object] = {"kind": kind, "id": entity_id, "bound_to": business_id}
    page = _page(own, asked, after, limit, newest_first=newest_first)
    return page._replace(sql=_things(kind, business_id) + page.sql)


def things_of(kind: str, entity_id: str, *, business_id: str | None = None) -> Statement:
    """Select the stream, kind and id of an entity, and of what names it now."""
    things = "SELECT stream_id, kind, id FROM things"
    asked: dict[str, object] = {"kind": kind, "id": entity_id, "bound_to": business_id}
    return Statement(_things(kind, business_id) + things, asked)


def belongs(entity: Entity, kind: str, entity_id: str) -> bool:
    """Tell whether a thing is, or names, the entity whose timeline is asked for."""
    if kind == "subscription":
        several = getattr(entity, "subscription_ids", ())
        return getattr(entity, "subscription_id", None) == entity_id or entity_id in several
    names = (_ENTITIES[kind].key[0], "recovered_payment_id")
    return any(getattr(entity, name, None) == entity_id for name in names)


def of_customer(
    customer_id: str,
    *,
    as_of: datetime | None,
    after: TimelineKey | None,
    limit: int,
    business_id: str | None = None,
    newest_first: bool = False,
) -> Statement:
    """Select the facts of everything that belongs to a customer, in the order they occurred.

    Of the past it is what belonged to the customer `as_of` an instant, and had occurred by then.
    Where the newest come first, `after` is as for `of_entity`.
    """
    bound = of_business("o", business_id)
    asked: dict[str, object] = {"customer_id": customer_id, "bound_to": business_id}
    return _of_whom(bound, asked, as_of=as_of, after=after, limit=limit, newest_first=newest_first)


def notable(
    customer_id: str,
    *,
    late: Sequence[int],
    as_of: datetime | None,
    limit: int,
    business_id: str | None = None,
) -> Statement:
    """Select a customer's facts that are no valid transitions or gaps, the last to occur first.

    Those at the positions that came `late` are among them.
    """
    odd = (
        f" AND t.occurred_at IS NOT NULL AND ({_ODD}"
        f" OR t.position = ANY (%(late)s)){of_business('o', business_id)}"
    )
    asked: dict[str, object] = {
        "customer_id": customer_id,
        "late": [*late],
        "bound_to": business_id,
    }
    return _of_whom(odd, asked, as_of=as_of, after=None, limit=limit, newest_first=True)


def arrivals(
    customer_id: str, *, as_of: datetime | None, limit: int, business_id: str | None = None
) -> Statement:
    """Select when the facts of a customer occurred and were recorded, the last recorded first."""
    select = f"SELECT t.position, t.occurred_at, t.recorded_at, {_ODD} FROM timeline AS t"  # noqa: S608 -- constants
    # Looks tell of no fact that came late.
    last_first = (
        f" AND t.occurred_at IS NOT NULL AND t.verdict IS NOT NULL{of_business('o', business_id)}"
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
    position, occurred_at, recorded_at, _ = row
    return Arrival(*cast("tuple[int, datetime, datetime]", (position, occurred_at, recorded_at)))


def is_odd(row: Sequence[object]) -> bool:
    """Tell of a row of `arrivals` whether it is no valid transition, or a gap."""
    return bool(row[-1])


def refusals(
    *,
    as_of: datetime | None,
    after: int,
    limit: int,
    business_id: str | None = None,
    newest_first: bool = False,
) -> Statement:
    """Select what is no valid transition, of what had occurred by `as_of`, after a position.

    Where the newest come first, they go on before the position, or from the end where it is 0.
    """
    place = "t.position > %(after)s"
    if newest_first:
        place = "(t.position < %(after)s OR %(after)s = 0)"
    where = f" WHERE t.verdict IN ('refused', 'anomaly') AND {place}"
    bound = lines_of_business("t", business_id)
    order = "t.position DESC" if newest_first else "t.position"
    return Statement(
        f"{_SELECT}{where}{bound}{_BY if as_of else ''} ORDER BY {order} LIMIT %(limit)s",
        {"as_of": as_of, "after": after, "limit": limit, "bound_to": business_id},
    )


def of_webhook(
    webhook_id: str, *, as_of: datetime | None, limit: int, business_id: str | None = None
) -> Statement:
    """Select the lines that a webhook-id, or a look, stands on: by position, and those of one."""
    bound = lines_of_business("t", business_id)
    return Statement(
        f"{_SELECT} WHERE t.webhook_id = %(id)s{bound}{_BY if as_of else ''}"
        " ORDER BY t.position, t.kind, t.id LIMIT %(limit)s",
        {"id": webhook_id, "as_of": as_of, "limit": limit, "bound_to": business_id},
    )


def rows_then(
    aggregates: Iterable[Aggregate],
    kind: str,
    entity_id: str,
    after: TimelineKey | None,
    *,
    newest_first: bool = False,
) -> list[Row]:
    """Give the rows that `of_entity` would select, were these aggregates all there is."""
    rows = []
    for aggregate in aggregates:
        things = {
            (known.kind.name, getattr(known.entity, known.kind.id_field))
            for known in aggregate.entities()
            if belongs(known.entity, kind, entity_id)
        }
        for row in _rows(aggregate):
            line = read(row[_BUSINESS:])
            if (line.entry.kind, line.entry.id) in things and (
                after is None or (line.key < after if newest_first else line.key > after)
            ):
                rows.append((line.key, row[_BUSINESS:]))
    return [row for _, row in sorted(rows, key=itemgetter(0), reverse=newest_first)]


def read(row: Sequence[object]) -> Line:
    """Read a row of `of_entity`, `of_customer`, `notable` or `refusals`."""
    business_id, rank, *values = row
    fields = dict(zip(Entry.__struct_encode_fields__, values, strict=True))
    fields["position"] = str(fields["position"])
    entry = msgspec.convert(fields, Entry)
    return Line(entry, cast("int", rank), cast("str", business_id))


def _of_whom(
    condition: str,
    asked: dict[str, object],
    *,
    as_of: datetime | None,
    after: TimelineKey | None,
    limit: int,
    newest_first: bool,
) -> Statement:
    if as_of is None:
        return _page(f"{_OF_CUSTOMER}{condition}", asked, after, limit, newest_first=newest_first)
    where, asked = f"{_OF_CUSTOMER_THEN}{condition}", {**asked, "as_of": as_of}
    page = _page(where, asked, after, limit, newest_first=newest_first)
    return page._replace(sql=OBJECTS_THEN + page.sql)


def _page(
    where: str,
    params: dict[str, object],
    after: TimelineKey | None,
    limit: int,
    *,
    newest_first: bool,
) -> Statement:
    place = after._asdict() if after else {}
    beyond, order = (_BEFORE, _NEWEST_FIRST) if newest_first else (_AFTER, _IN_ORDER)
    sql = f"{_SELECT}{where}{beyond if after else ''}{order}"
    return Statement(sql, {**params, **place, "limit": limit})
