"""The read model of what payments, refunds and disputes bring and take, and what it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from domain.revenue.net import TakingSums
from domain.revenue.takings import Taking, takings
from postgres.statement import Statement
from projections.listing import BigInt, Moment, StorableText
from projections.read_model import Column, ReadModel, columns_of
from projections.read_models.periods import may_lose

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from decimal import Decimal

    from domain.aggregate import Aggregate
    from projections.read_model import Row


def _rows(aggregate: Aggregate) -> list[Row]:
    return [(aggregate.id, *msgspec.structs.astuple(one)) for one in takings(aggregate)]


TAKINGS: Final = ReadModel(
    table="takings",
    key=("stream_id", "kind", "id", "ordinal"),
    columns=(
        Column("stream_id", "text"),
        *(
            column._replace(type="smallint") if column.name == "net_sign" else column
            for column in columns_of(Taking)
        ),
    ),
    rows=_rows,
    streams=frozenset({"payment", "dispute"}),
    loses=may_lose,
    began="at",
)


# Of a dispute the payment's share; where a payment was never seen, or of another currency, nothing.
# The OFFSET has no payment looked up but for a dispute.
_SETTLED: Final = """
    settled AS (
        SELECT t.kind, t.id, t.ordinal, t.business_id, t.at, t.customer_id, t.payment_id,
            t.subscription_id, t.currency, t.amount, t.net_sign,
            coalesce(t.settlement_currency, p.settlement_currency) AS settlement_currency,
            coalesce(t.gross, round(p.gross::numeric * t.amount / p.amount)) AS gross,
            coalesce(t.tax, round(p.tax::numeric * t.amount / p.amount)) AS tax,
            t.kind = 'failed_payment' AND (
                EXISTS (SELECT {later} AND s.payment_id = t.payment_id)
                OR EXISTS (SELECT {later} AND s.subscription_id = t.subscription_id)
            ) AS recovered
        FROM takings AS t
        LEFT JOIN LATERAL (
            SELECT p.* FROM takings AS p
            WHERE t.kind IN ('dispute_opened', 'dispute_won', 'dispute_lost')
                AND p.kind = 'payment' AND p.payment_id = t.payment_id
                AND p.business_id = t.business_id AND p.at <= t.at
                AND p.currency = coalesce(t.currency, p.currency) AND p.amount > 0
            OFFSET 0
        ) AS p ON true
        WHERE t.at <= %(at)s AND t.at >= %(begin)s AND t.at < %(end)s{of_businesses}
    )
"""
_LATER: Final = """FROM takings AS s WHERE s.kind = 'payment' AND s.business_id = t.business_id
                AND s.at >= t.at AND s.at <= %(at)s"""
_CURRENCY: Final = "(s.settlement_currency = %(currency)s OR %(currency)s::text IS NULL)"


class Asked(NamedTuple):
    """Which takings are asked about: those by the instant `at`, in a span, of what is given."""

    at: datetime
    begin: datetime
    end: datetime
    business_ids: tuple[str, ...] = ()
    currency: str | None = None


def sums(asked: Asked, begins: Sequence[datetime]) -> Statement:
    """Select by settlement currency, period and kind how many there are, and what they come to."""
    settled, values = _settled(asked)
    return Statement(
        f"WITH {settled}"  # noqa: S608 -- constants
        " SELECT s.settlement_currency, width_bucket(s.at, %(begins)s::timestamptz[]), s.kind,"
        " count(*), coalesce(sum(s.gross), 0), coalesce(sum(s.tax), 0),"
        " coalesce(sum(s.net_sign * (s.gross - s.tax)), 0),"
        " count(*) FILTER (WHERE s.gross IS NULL AND s.net_sign <> 0),"
        " count(*) FILTER (WHERE s.recovered), coalesce(sum(s.gross) FILTER (WHERE s.recovered), 0)"
        # So that it is looked up once whether a failure was recovered, which is told twice.
        f" FROM (SELECT * FROM settled AS s WHERE {_CURRENCY} OFFSET 0) AS s GROUP BY 1, 2, 3",
        {**values, "begins": [*begins]},
    )


def read_sums(row: Sequence[Any]) -> TakingSums:
    """Read a row of `sums`."""
    currency, span, kind, *numbers = row
    return TakingSums(currency, span, kind, *map(int, numbers))


def listed(
    asked: Asked,
    kind: str | None,
    after: TakingKey | None,
    limit: int,
    *,
    recovered: bool | None = None,
) -> Statement:
    """Select them in the order in which they count, behind `after`."""
    settled, values = _settled(asked)
    at, after_kind, after_id, ordinal = after or (None, None, None, None)
    order = 's.at, s.kind COLLATE "C", s.id COLLATE "C", s.ordinal'
    values |= {"kind": kind, "recovered": recovered, "limit": limit}
    values |= {"after_at": at, "after_kind": after_kind, "after_id": after_id, "after": ordinal}
    return Statement(
        f"WITH {settled} SELECT s.* FROM settled AS s WHERE {_CURRENCY}"  # noqa: S608 -- constants
        " AND (s.kind = %(kind)s OR %(kind)s::text IS NULL)"
        " AND (s.recovered = %(recovered)s OR %(recovered)s::boolean IS NULL)"
        f" AND (%(after_at)s::timestamptz IS NULL OR ({order})"
        " > (%(after_at)s, %(after_kind)s::text, %(after_id)s::text, %(after)s::bigint))"
        f" ORDER BY {order} LIMIT %(limit)s",
        values,
    )


class TakingKey(NamedTuple):
    """A place in the list of takings."""

    at: Moment
    kind: StorableText
    id: StorableText
    ordinal: BigInt


class Listed(NamedTuple):
    """What is told of a taking, as it is selected."""

    kind: str
    id: str
    ordinal: int
    business_id: str
    at: datetime
    customer_id: str | None
    payment_id: str | None
    subscription_id: str | None
    currency: str | None
    amount: int | None
    net_sign: int
    settlement_currency: str | None
    gross: Decimal | None
    tax: Decimal | None
    recovered: bool


def _settled(asked: Asked) -> tuple[str, dict[str, Any]]:
    bound = range(len(asked.business_ids))
    conditions = "".join(f" AND t.business_id = %(business_{number})s" for number in bound)
    values = {"at": asked.at, "begin": asked.begin, "end": asked.end, "currency": asked.currency}
    named = {f"business_{number}": asked.business_ids[number] for number in bound}
    return _SETTLED.format(of_businesses=conditions, later=_LATER), {**values, **named}
