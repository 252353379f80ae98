"""The read model of what payments, refunds and disputes bring and take, and what it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from domain.revenue.calendar import midnight
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


# What a taking adds to the sums of its day, as `taking_days` has them. The OFFSET has it looked up
# once whether a failure was recovered, which is told twice.
_ROWS: Final = """
    SELECT (t.at AT TIME ZONE 'UTC')::date AS day, t.kind, t.net_sign,
        t.settlement_currency AS currency, 1 AS number, (t.gross IS NOT NULL)::int AS settled,
        t.gross, t.tax, t.recovered::int AS recovered,
        CASE WHEN t.recovered THEN t.gross END AS recovered_gross
    FROM (
        SELECT s.*, {recovered} AS recovered FROM settled_takings AS s
        WHERE s.at >= %(rows_from)s AND {told} OFFSET 0
    ) AS t
"""
# The days before the one in which is asked, whole; less what was recovered after that.
_DAYS: Final = """
    SELECT s.day, s.kind, s.net_sign, s.currency, s.number, s.settled, s.gross, s.tax, s.recovered,
        s.recovered_gross
    FROM taking_days AS s WHERE s.day >= %(begin_day)s AND s.day < %(rows_from_day)s{of_businesses}
    UNION ALL
    SELECT (s.at AT TIME ZONE 'UTC')::date, s.kind, s.net_sign, s.settlement_currency, 0, 0, 0, 0,
        -1, -s.gross
    FROM following_takings AS s
    WHERE s.recovered_at > %(at)s AND s.at >= %(begin)s AND s.at < %(rows_from)s{of_businesses}
    UNION ALL
"""
_SUMS: Final = """
    SELECT s.currency, width_bucket(s.day, %(days)s::date[]) AS span, s.kind, sum(s.number),
        coalesce(sum(s.gross), 0), coalesce(sum(s.tax), 0),
        coalesce(sum(s.net_sign * (s.gross - s.tax)), 0),
        sum(s.number - s.settled) FILTER (WHERE s.net_sign <> 0),
        sum(s.recovered), coalesce(sum(s.recovered_gross), 0)
    FROM ({days}{rows}) AS s
    WHERE s.currency = %(currency)s OR %(currency)s::text IS NULL
    GROUP BY 1, 2, 3 HAVING sum(s.number) <> 0
"""
_RECOVERED: Final = "coalesce(s.recovered_at <= %(at)s, false)"
_CURRENCY: Final = "(s.settlement_currency = %(currency)s OR %(currency)s::text IS NULL)"


class Asked(NamedTuple):
    """Which takings are asked about: those by the instant `at`, in a span, of what is given."""

    at: datetime
    begin: datetime
    end: datetime
    business_ids: tuple[str, ...] = ()
    currency: str | None = None


def sums(asked: Asked, begins: Sequence[datetime], *, of_snapshot: bool = False) -> Statement:
    """Select by settlement currency, period and kind how many there are, and what they come to.

    The periods begin with days, at `begins`. A snapshot has the rows alone, and no sums of days.
    """
    told, values = _told(asked)
    whole = asked.begin if of_snapshot else max(asked.begin, min(asked.end, midnight(asked.at)))
    days = "" if of_snapshot else _DAYS.format(of_businesses=_of_businesses(asked))
    rows = _ROWS.format(told=told, recovered=_RECOVERED)
    named = {"days": [one.date() for one in begins], "rows_from": whole}
    named |= {"begin_day": asked.begin.date(), "rows_from_day": whole.date()}
    return Statement(_SUMS.format(days=days, rows=rows), {**values, **named})


def read_sums(row: Sequence[Any]) -> TakingSums:
    """Read a row of `sums`."""
    currency, span, kind, *numbers = row
    return TakingSums(currency, span, kind, *(int(number or 0) for number in numbers))


def listed(
    asked: Asked,
    kind: str | None,
    after: TakingKey | None,
    limit: int,
    *,
    recovered: bool | None = None,
) -> Statement:
    """Select them in the order in which they count, behind `after`."""
    told, values = _told(asked)
    at, after_kind, after_id, ordinal = after or (None, None, None, None)
    order = 's.at, s.kind COLLATE "C", s.id COLLATE "C", s.ordinal'
    values |= {"kind": kind, "recovered": recovered, "limit": limit}
    values |= {"after_at": at, "after_kind": after_kind, "after_id": after_id, "after": ordinal}
    return Statement(
        "SELECT s.kind, s.id, s.ordinal, s.business_id, s.at, s.customer_id, s.payment_id,"  # noqa: S608 -- constants
        " s.subscription_id, s.currency, s.amount, s.net_sign, s.settlement_currency, s.gross,"
        f" s.tax, {_RECOVERED} AS recovered FROM settled_takings AS s WHERE {told} AND {_CURRENCY}"
        " AND (s.kind = %(kind)s OR %(kind)s::text IS NULL)"
        f" AND ({_RECOVERED} = %(recovered)s OR %(recovered)s::boolean IS NULL)"
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


def _told(asked: Asked) -> tuple[str, dict[str, Any]]:
    told = "s.at <= %(at)s AND s.at >= %(begin)s AND s.at < %(end)s" + _of_businesses(asked)
    values = {"at": asked.at, "begin": asked.begin, "end": asked.end, "currency": asked.currency}
    named = {f"business_{number}": one for number, one in enumerate(asked.business_ids)}
    return told, {**values, **named}


def _of_businesses(asked: Asked) -> str:
    bound = range(len(asked.business_ids))
    return "".join(f" AND s.business_id = %(business_{number})s" for number in bound)
