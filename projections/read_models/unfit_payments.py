"""The read model of payments that do not fit what was to be paid, which follows from others.

What a payment is measured by is in other streams: its subscription's, and its products'. Statements
over the read models of these tell who may not fit, which are few; `domain.prices` judges them.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from psycopg.sql import SQL, Identifier, Literal

from domain.aggregates.payment import PaymentEntity
from domain.anomalies.span import Testimony
from domain.anomalies.unfit import GivenBack, unfit
from domain.periods import Period
from domain.prices import TERMS_WITHIN, Charge
from domain.stream_id import parts_of
from postgres.arrays import InstantArray, TextArray
from postgres.together import Sent
from projections.read_model import Column, Derived, ReadModel, no_rows
from projections.read_models.anomaly_spans import SPAN_COLUMNS
from projections.read_models.payments import PAYMENTS
from projections.read_models.periods import PERIODS
from projections.read_models.timeline import TIMELINE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime
    from typing import TypeAlias

    from psycopg import Connection
    from psycopg.sql import Composable, Composed

    from projections.read_model import Row

    Named: TypeAlias = tuple[str, str]
    """A business, and an id of a thing of its."""

_TABLE: Final = "unfit_payments"
AT_ONCE_MAX: Final = 1_000
"""So many payments are judged at once."""
_WITHIN: Final = Literal(TERMS_WITHIN)


class _Rule(NamedTuple):
    """What selects payments that may not fit, of charges of some types: no other ever is."""

    charges: frozenset[str | None]
    select: SQL


# What changed at an instant matters to what was charged from then on; a payment, to the renewals
# after it; a price, to all that was charged for the one before it as well, which it may excuse.
_TOUCHED: Final = SQL("""
    WITH touched AS (
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[])
        AS t (kind, business_id, id, since)
    ){beside} {of_each}
""")
_BESIDE: Final = {
    "product": SQL(""", repriced AS (
        SELECT t.business_id, t.id, coalesce(max(b.valid_from), t.since) AS since FROM touched AS t
        LEFT JOIN {periods} AS b ON b.kind = 'product' AND b.id = t.id
            AND b.business_id = t.business_id AND b.valid_from < t.since
        WHERE t.kind = 'product' AND EXISTS (
            SELECT FROM {periods} AS n WHERE n.kind = 'product' AND n.id = t.id
            AND n.business_id = t.business_id AND n.valid_from >= t.since
        )
        GROUP BY t.business_id, t.id, t.since
    )"""),
    "renewal": SQL(""", renewed AS (
        SELECT p.business_id, p.subscription_id, min(p.created_at) AS since
        FROM touched AS t JOIN {payments} AS p
            ON p.payment_id = t.id AND p.business_id = t.business_id AND p.charge_type = 'renewal'
        WHERE t.kind = 'payment' GROUP BY p.business_id, p.subscription_id
    )"""),
}
# Of what is not touched nothing is asked: to begin with that takes longer than to answer it.
_OF_EACH: Final = {
    "payment": SQL("""
        SELECT p.stream_id, p.payment_id FROM touched AS t JOIN {payments} AS p
            ON p.payment_id = t.id AND p.business_id = t.business_id WHERE t.kind = 'payment'
    """),
    "renewal": SQL("""
        SELECT n.stream_id, n.payment_id FROM renewed AS r JOIN {payments} AS n
            ON n.subscription_id = r.subscription_id AND n.business_id = r.business_id
            AND n.created_at >= r.since
    """),
    "product": SQL("""
        SELECT p.stream_id, p.payment_id FROM repriced AS t JOIN {payments} AS p
            ON p.business_id = t.business_id AND p.created_at >= t.since
            AND t.id = ANY (p.product_ids)
        UNION ALL
        SELECT p.stream_id, p.payment_id FROM repriced AS t JOIN {periods} AS s
            ON s.kind = 'subscription' AND s.business_id = t.business_id AND t.id = s.product_ids[1]
        JOIN {payments} AS p ON p.subscription_id = s.id AND p.business_id = s.business_id
            AND p.charge_type = 'new' AND p.created_at >= t.since
    """),
    "subscription": SQL("""
        SELECT p.stream_id, p.payment_id FROM touched AS t JOIN {payments} AS p
            ON p.subscription_id = t.id AND p.business_id = t.business_id
            AND p.created_at >= t.since - {within}
        WHERE t.kind = 'subscription'
    """),
}
# Each part is a join that is quick with indexes for a few payments, and without any for all.
_CHARGES: Final = SQL("""
    charges AS (
        SELECT p.*, p.total_amount::numeric - coalesce(p.tax, 0) AS before_tax
        FROM {charged} AS p WHERE p.status = 'succeeded' AND p.total_amount <> 0
    )
""")
_AGREED: Final = SQL("""
    agreed AS (
        SELECT c.stream_id, c.charge_type, c.business_id, c.created_at, c.total_amount,
            c.before_tax, t.amount, t.quantity, t.tax_inclusive, t.product_ids
        FROM charges AS c JOIN {periods} AS t ON t.kind = 'subscription'
            AND t.id = c.subscription_id AND t.business_id = c.business_id
            AND t.valid_from <= c.created_at + {within} AND NOT isempty(t.valid)
            AND coalesce(upper(t.valid), 'infinity') > c.created_at - {within}
        WHERE c.charge_type IN ('new', 'renewal')
    )
""")
_IS_MORE: Final = SQL("""
    SELECT stream_id, NULL AS currency_before FROM agreed
    WHERE least(before_tax, total_amount) > amount::numeric * greatest(quantity, 1)
    OR tax_inclusive AND total_amount > amount::numeric * greatest(quantity, 1)
""")
_IS_ANOTHER_PRICE: Final = SQL("""
    SELECT a.stream_id, NULL FROM agreed AS a
    JOIN {periods} AS r ON r.kind = 'product' AND r.id = a.product_ids[1]
        AND r.business_id = a.business_id AND r.valid_from <= a.created_at
    WHERE a.charge_type = 'new' AND r.amount <> a.amount
""")
_IS_ANOTHER_CART: Final = SQL("""
    SELECT c.stream_id, NULL FROM charges AS c
    CROSS JOIN LATERAL unnest(c.product_ids) AS named (id)
    JOIN {periods} AS r ON r.kind = 'product' AND r.id = named.id
        AND r.business_id = c.business_id AND r.valid_from <= c.created_at
    WHERE c.charge_type IS NULL AND (
        jsonb_array_length(c.cart) > 1
        OR r.amount::numeric * (c.cart -> 0 ->> 'quantity')::numeric
            NOT IN (c.total_amount, c.before_tax)
    )
""")
_IS_ANOTHER_CURRENCY: Final = SQL("""
    SELECT stream_id, before FROM (
        SELECT p.*, lag(p.currency) OVER (
            PARTITION BY p.business_id, p.subscription_id ORDER BY p.created_at, p.payment_id
        ) AS before
        FROM {renewed} AS p WHERE p.status = 'succeeded' AND p.charge_type = 'renewal'
    ) AS p WHERE before <> currency AND {among}
""")
_RULES: Final = (
    _Rule(frozenset({"new", "renewal"}), _IS_MORE),
    _Rule(frozenset({"new"}), _IS_ANOTHER_PRICE),
    _Rule(frozenset({None}), _IS_ANOTHER_CART),
    _Rule(frozenset({"renewal"}), _IS_ANOTHER_CURRENCY),
)
_ALL_CHARGES: Final = frozenset[str | None]().union(*(rule.charges for rule in _RULES))
# Most of what is touched fits, and fitted before: there is nothing to judge, and nothing to delete.
_AFFECTED: Final = SQL("""
    WITH affected AS MATERIALIZED ({touched})
    SELECT stream_id FROM ({suspects}) AS suspected
    UNION ALL
    SELECT stream_id FROM {unfit} WHERE stream_id = ANY (ARRAY(SELECT stream_id FROM affected))
""")
_SUSPECTS: Final = SQL("WITH {named} {select}")
_NOBODY: Final = SQL("SELECT NULL AS stream_id WHERE false")
_ARE_AFFECTED: Final = SQL("ARRAY(SELECT payment_id FROM affected)")
_ARE_ASKED: Final = SQL("%(ids)s")
_AMONG: Final = SQL("p.payment_id = ANY ({ids})")
# OFFSET 0 keeps the planner from looking for them by their status among all, which it may take for
# a few.
_THESE: Final = SQL("(SELECT * FROM {payments} AS p WHERE {among} OFFSET 0)")
_OF_THEIR_SUBSCRIPTIONS: Final = SQL("""(
    SELECT * FROM {payments} WHERE subscription_id = ANY (
        ARRAY(SELECT p.subscription_id FROM {payments} AS p WHERE {among})
    ) OFFSET 0
)""")
_BUSINESS, _ID, _CHARGE_TYPE = (
    [column.name for column in PAYMENTS.columns].index(name)
    for name in ("business_id", "payment_id", "charge_type")
)
_ENTITY: Final = PaymentEntity.__struct_fields__
_PERIOD: Final = Period.__struct_fields__
_PAYMENTS: Final = SQL(
    "SELECT stream_id, {columns} FROM {payments} WHERE payment_id = ANY (%(ids)s)"
)
_PERIODS: Final = SQL("""
    SELECT {columns} FROM {periods} WHERE kind = %(kind)s AND id = ANY (%(ids)s)
    ORDER BY business_id, id, valid_from
""")
_GIVEN_BACK: Final = SQL("""
    SELECT p.payment_id, p.business_id, r.valid_from, r.amount
    FROM {payments} AS p JOIN {periods} AS r ON r.kind = 'refund' AND r.payment_id = p.payment_id
        AND r.business_id = p.business_id AND coalesce(r.currency, p.currency) = p.currency
    WHERE p.payment_id = ANY (%(ids)s) AND r.status = 'succeeded' AND r.amount IS NOT NULL
    AND r.valid_to IS NULL
""")
_PAID: Final = SQL("""
    SELECT business_id, id, webhook_id, type, occurred_at FROM {timeline}
    WHERE stream_id = ANY (%(streams)s) AND kind = 'payment' AND to_status = 'succeeded'
    ORDER BY occurred_at DESC, rank DESC, webhook_id DESC
""")


class _Statements(NamedTuple):
    """The statements over the tables of one schema, written out."""

    suspects_among: bytes
    suspects: bytes
    payments: bytes
    periods: bytes
    given_back: bytes
    paid: bytes


@cache
def _over(schema: str) -> _Statements:
    tables = _tables(schema)

    def written(statement: SQL, **parts: Composable) -> bytes:
        return statement.format(**tables, **parts).as_bytes(None)

    return _Statements(
        suspects_among=_suspects(schema, _ALL_CHARGES, _ARE_ASKED).as_bytes(None),
        suspects=_suspects(schema, _ALL_CHARGES).as_bytes(None),
        payments=written(_PAYMENTS, columns=SQL(", ").join(map(Identifier, _ENTITY))),
        periods=written(_PERIODS, columns=SQL(", ").join(map(Identifier, _PERIOD))),
        given_back=written(_GIVEN_BACK),
        paid=written(_PAID),
    )


@cache
def _affected_by(schema: str, kinds: frozenset[str], charges: frozenset[str | None]) -> bytes:
    """Return the statement for streams of some kinds, and for charges of some types."""
    tables = {"within": _WITHIN, **_tables(schema)}
    each = [*sorted(kinds), *(["renewal"] if "payment" in kinds and "renewal" in charges else [])]
    touched = _TOUCHED.format(
        beside=SQL("").join(_BESIDE[one].format(**tables) for one in each if one in _BESIDE),
        of_each=SQL(" UNION ALL ").join(_OF_EACH[one].format(**tables) for one in each),
    )
    suspects = _suspects(schema, charges, _ARE_AFFECTED)
    unfit = Identifier(schema, _TABLE)
    return _AFFECTED.format(touched=touched, suspects=suspects, unfit=unfit).as_bytes(None)


def _suspects(
    schema: str, charges: AbstractSet[str | None], ids: SQL | None = None
) -> Composed | SQL:
    """Return what selects those who may not fit, among payments with some ids if these are given.

    Of charges of other types there are none.
    """
    rules = [rule for rule in _RULES if rule.charges & charges]
    if not rules:
        return _NOBODY
    parts = {"among": SQL("true"), "within": _WITHIN, **_tables(schema)}
    parts |= {"charged": parts["payments"], "renewed": parts["payments"]}
    if ids is not None:
        parts["among"] = _AMONG.format(ids=ids)
        parts["charged"], parts["renewed"] = (
            which.format(**parts) for which in (_THESE, _OF_THEIR_SUBSCRIPTIONS)
        )
    return _SUSPECTS.format(
        named=SQL(", ").join(one.format(**parts) for one in (_CHARGES, _AGREED)),
        select=SQL(" UNION ALL ").join(rule.select.format(**parts) for rule in rules),
    )


def _tables(schema: str) -> dict[str, Composable]:
    models = {"payments": PAYMENTS, "periods": PERIODS, "timeline": TIMELINE}
    return {name: Identifier(schema, model.table) for name, model in models.items()}


class _Tables(NamedTuple):
    """The read models of a schema, read over a connection."""

    conn: Connection
    over: _Statements

    def rows(self, statement: bytes, values: Mapping[str, object]) -> list[Any]:
        return self.conn.execute(statement, values).fetchall()


def _affected(
    schema: str, touched: Mapping[str, datetime], written: Callable[[ReadModel], Iterable[Row]]
) -> Sent | None:
    named = [(parts_of(stream), since) for stream, since in touched.items()]
    of_kinds = [one for one in named if one[0][0] in _OF_EACH]
    if not of_kinds:
        return None
    kinds = frozenset(kind for (kind, *_), _ in of_kinds)
    ids = [(business_id, id_) for (_, business_id, id_, *_), _ in of_kinds]
    values = [
        TextArray(kind for (kind, *_), _ in of_kinds),
        *map(TextArray, zip(*ids, strict=True)),
        InstantArray(since for _, since in of_kinds),
    ]
    charges = _charges(ids, written(PAYMENTS)) if kinds == {"payment"} else _ALL_CHARGES
    return Sent(_affected_by(schema, kinds, charges), values)


def _charges(payments: Collection[Named], written: Iterable[Row]) -> frozenset[str | None]:
    """Return of what types the charges are that are touched, as far as a rule asks for them.

    They may be of any where not all of these payments are among those that are written.
    """
    types = {(row[_BUSINESS], row[_ID]): row[_CHARGE_TYPE] for row in written}
    if not types.keys() >= set(payments):
        return _ALL_CHARGES
    return _ALL_CHARGES & set(types.values())


def _rows(conn: Connection, schema: str, streams: Sequence[str] | None) -> Iterator[Row]:
    tables = _Tables(conn, _over(schema))
    statement = tables.over.suspects if streams is None else tables.over.suspects_among
    suspects = tables.rows(statement, {"ids": _ids(streams or ())})
    before = {stream: currency for stream, currency in suspects if currency is not None}
    in_order = iter(sorted({stream for stream, _ in suspects}))
    while part := list(islice(in_order, AT_ONCE_MAX)):
        yield from _judged(tables, part, before)


def _judged(tables: _Tables, streams: Sequence[str], before: Mapping[str, str]) -> Iterator[Row]:
    found = tables.rows(tables.over.payments, {"ids": _ids(streams)})
    payments = {
        stream: msgspec.convert(dict(zip(_ENTITY, values, strict=True)), PaymentEntity)
        for stream, *values in found
    }
    terms = _periods(tables, "subscription", {one.subscription_id for one in payments.values()})
    agreed = {named for held in terms.values() for one in held for named in one.product_ids}
    bought = {named for one in payments.values() for named in one.product_ids}
    prices = _periods(tables, "product", {*agreed, *bought})
    paid, back = _paid(tables, streams), _given_back(tables, streams)
    for stream, payment in sorted(payments.items()):
        of, named = payment.business_id, (payment.business_id, payment.payment_id)
        held = terms.get((of, payment.subscription_id or ""), ())
        products = {*payment.product_ids, *(one for each in held for one in each.product_ids)}
        charge = Charge(
            payment,
            held,
            {one: prices[of, one] for one in products if (of, one) in prices},
            before.get(stream),
        )
        span = unfit(charge, paid[named], back[named]) if named in paid else None
        if span is not None:
            yield (stream, *msgspec.structs.astuple(span))


def _ids(streams: Sequence[str]) -> TextArray:
    return TextArray(parts_of(stream)[2] for stream in streams)


def _periods(tables: _Tables, kind: str, ids: set[Any]) -> Mapping[Named, list[Period]]:
    found: dict[Named, list[Period]] = defaultdict(list)
    values = {"kind": kind, "ids": sorted(ids - {None})}
    for row in tables.rows(tables.over.periods, values):
        one = msgspec.convert(dict(zip(_PERIOD, row, strict=True)), Period)
        found[one.business_id, one.id].append(one)
    return found


def _paid(tables: _Tables, streams: Sequence[str]) -> dict[Named, Testimony]:
    """Return the first fact by which each payment succeeded."""
    return {
        (business_id, id_): Testimony(
            "payment", id_, webhook_id, type_, occurred_at.astimezone(UTC), {}
        )
        for business_id, id_, webhook_id, type_, occurred_at in tables.rows(
            tables.over.paid, {"streams": list(streams)}
        )
    }


def _given_back(tables: _Tables, streams: Sequence[str]) -> Mapping[Named, list[GivenBack]]:
    found: dict[Named, list[GivenBack]] = defaultdict(list)
    for payment_id, business_id, at, amount in tables.rows(
        tables.over.given_back, {"ids": _ids(streams)}
    ):
        found[business_id, payment_id].append(GivenBack(at, amount))
    return found


UNFIT_PAYMENTS: Final = ReadModel(
    table=_TABLE,
    key=("id", "business_id"),
    columns=(Column("stream_id", "text"), *SPAN_COLUMNS),
    rows=no_rows,
    streams=frozenset(),
    derived=Derived((PAYMENTS.table, PERIODS.table, TIMELINE.table), _affected, _rows),
)
