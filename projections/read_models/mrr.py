"""What is asked of recurring changes: sums by period, movements, what stands, cohorts, trials.

A book moves as its one subscription says by itself. Only where more than one is told in a book
are its changes added up anew, in the order in which they occurred: few books, of many. How these
move is kept, as are the sums of days: see migrations/0034_revenue_days.sql. Where amounts are
converted, and in a snapshot, both are made of the rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from domain.revenue.calendar import midnight
from domain.revenue.cohorts import Began, CohortSums
from domain.revenue.mrr import Sums
from domain.revenue.recurring import KINDS
from postgres.statement import Statement
from projections.listing import Moment, StorableText

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal


class Asked(NamedTuple):
    """Which changes are asked about: those by the instant `at`, of what is given.

    `business_ids` must all be the change's. Where `rates` are given, each a factor by currency
    into minor units of `into`, a customer has one book for all of these. Nothing but rows is read
    where they are `of_snapshot`.
    """

    at: datetime
    business_ids: tuple[str, ...] = ()
    currency: str | None = None
    product_id: str | None = None
    by_product: bool = False
    into: str | None = None
    rates: Mapping[str, Decimal] | None = None
    of_snapshot: bool = False


_CONVERTED: Final = """(
    SELECT subscription_id, business_id, first_position, at, leaves, until, customer_id,
        product_id, uncounted, active_change, trial_change,
        CASE WHEN rate IS NULL THEN currency ELSE %(into)s::text END AS currency,
        concat_ws(chr(1), business_id, coalesce('c' || customer_id, 's' || subscription_id),
            CASE WHEN rate IS NULL THEN currency END) AS book,
        new_monthly AS monthly, new_yearly AS yearly,
        new_monthly - old_monthly AS monthly_change, new_yearly - old_yearly AS yearly_change,
        new_monthly - old_monthly AS total_change,
        sign(new_monthly)::int - sign(old_monthly)::int AS paying_change,
        CASE WHEN new_monthly > old_monthly THEN 'new' END AS kind
    FROM (
        SELECT own.*, rate, round(monthly * coalesce(rate, 1)) AS new_monthly,
            round((monthly - monthly_change) * coalesce(rate, 1)) AS old_monthly,
            round(yearly * coalesce(rate, 1)) AS new_yearly,
            round((yearly - yearly_change) * coalesce(rate, 1)) AS old_yearly
        FROM recurring AS own
        LEFT JOIN unnest(%(currencies)s::text[], %(rates)s::numeric[]) AS x (of_currency, rate)
            ON x.of_currency = own.currency
    ) AS converted
)"""
_KEPT: Final = """
    several AS MATERIALIZED (
        SELECT book FROM shared_books
    ), moved AS (
        SELECT r.* FROM book_moves AS r WHERE {of_variant} AND NOT r.taken_back AND {told}
    )
"""
_TOGETHER: Final = """
    several AS MATERIALIZED (
        SELECT r.book FROM {source} AS r WHERE r.kind = 'new' AND {told}
        GROUP BY r.book HAVING count(*) > {alone}
    ), together AS (
        SELECT r.book, r.at, r.currency, r.business_id, {product} AS product_id,
            sum(r.{change}) AS change, max(r.customer_id) AS customer_id,
            array_agg(DISTINCT r.subscription_id) AS subscription_ids
        FROM {source} AS r WHERE r.book IN (TABLE several) AND {told} AND r.{change} <> 0
        GROUP BY 1, 2, 3, 4, 5 HAVING sum(r.{change}) <> 0
    ), stood AS ({stood}), moved AS (
        SELECT stood.*, (part > 0)::int - (part - change > 0)::int AS customers, CASE
            WHEN total = total_change AND at = first_at THEN 'new'
            WHEN total = total_change THEN 'reactivation'
            WHEN total = 0 THEN 'churn'
            WHEN change > 0 THEN 'expansion'
            ELSE 'contraction' END AS kind
        FROM stood
    )
"""
_STOOD: Final = """
        SELECT together.*, change AS total_change, sum(change) OVER own AS total,
            sum(change) OVER own AS part, first_value(at) OVER own AS first_at
        FROM together WINDOW own AS (PARTITION BY book ORDER BY at)
"""
_STOOD_BY_PRODUCT: Final = """
        SELECT together.*, sum(change) OVER (PARTITION BY book, at) AS total_change,
            sum(change) OVER own AS total, first_value(at) OVER own AS first_at,
            sum(change) OVER (PARTITION BY book, product_id ORDER BY at) AS part
        FROM together WINDOW own AS (PARTITION BY book ORDER BY at)
"""
_ALONE_KIND: Final = "r.kind"
_ALONE_KIND_OF_PRODUCT: Final = """
    CASE WHEN r.kind IN ('new', 'churn', 'reactivation') THEN r.kind
        WHEN {sign} > 0 THEN 'expansion' WHEN {sign} < 0 THEN 'contraction' END
"""
_SUMS: Final = """
    WITH {together}{days}
    SELECT currency, product_id, cell, sum(change), sum(yearly_change),
        count(*) FILTER (WHERE change <> 0),
        sum(paying_change), sum(paying_change), sum(active_change), sum(trial_change)
    FROM (
        SELECT r.currency, {product} AS product_id, {span} * 8 + CASE
            WHEN r.book IN (TABLE several) THEN 0 ELSE {code} END AS cell,
            r.{change} AS change, r.yearly_change, r.paying_change, r.active_change, r.trial_change
        FROM {source} AS r WHERE {told}{within}{of_product}
        -- So that the planner expects few cells, and does not sort all changes to tell them apart.
        OFFSET 0
    ) AS r
    GROUP BY 1, 2, 3
    UNION ALL
    SELECT r.currency, r.product_id, {span} * 8 + {moved}, sum(r.change), 0, count(*),
        sum(r.customers)::bigint, 0, 0, 0
    FROM moved AS r WHERE true{within}{of_product}
    GROUP BY 1, 2, 3
"""
# Whole days; of a shared book, what its changes say by themselves is taken back in them.
_DAYS: Final = """
    , days AS (
        SELECT r.currency, {product} AS product_id,
            width_bucket(r.day, %(days)s::date[]) * 8 + {code} AS cell, sum(r.{change}) AS change,
            sum(r.yearly_change) AS yearly_change, sum(r.{moves})::bigint AS moves,
            sum(r.{customers})::bigint AS customers, sum(r.paying_change)::bigint AS paying_change,
            sum(r.active_change)::bigint AS active_change,
            sum(r.trial_change)::bigint AS trial_change, sum(r.number)::bigint AS number
        FROM recurring_days AS r WHERE r.day < %(rows_from_day)s{narrowed}{of_product}
        GROUP BY 1, 2, 3
    )
    SELECT currency, product_id, cell, change, yearly_change, moves, customers, paying_change,
        active_change, trial_change
    FROM days WHERE (number, change, moves, customers) <> (0, 0, 0, 0)
    UNION ALL
"""
_SPAN: Final = "width_bucket(r.at, %(begins)s::timestamptz[])"
_UNTOLD: Final = len(KINDS) + 1
_CODES: Final = " ".join(f"WHEN '{kind}' THEN {code}" for code, kind in enumerate(KINDS, start=1))
"""A cell is a period and a movement: 0 where its book tells that, `_UNTOLD` where nothing moves."""
_MOVES: Final = """
    moves AS {read_twice} (
        SELECT r.book::text AS book, r.business_id, r.customer_id,
            ARRAY[r.subscription_id] AS subscription_ids,
            r.currency, {product} AS product_id, r.at, r.{change} AS change, {kind} AS kind
        FROM {source} AS r
        WHERE {told}{within} AND r.{change} <> 0 AND r.book NOT IN (TABLE several){of_product}
        UNION ALL
        SELECT r.book::text, r.business_id, r.customer_id, r.subscription_ids,
            r.currency, r.product_id, r.at, r.change, r.kind
        FROM moved AS r WHERE true{within}{of_product}
    )
"""


def sums(asked: Asked, begins: Sequence[datetime], end: datetime) -> Statement:
    """Select what changed by currency, product, period and kind of movement.

    The periods begin at `begins`, in order, and the last ends at `end`.
    """
    if _is_kept(asked):
        return _sums_kept(asked, begins, end)
    parts, values = _parts(asked, end)
    select = _SUMS.format(days="", span=_SPAN, **_codes(asked, "r.monthly_change"), **parts)
    return Statement(select, {**values, "begins": [*begins]})


def _sums_kept(asked: Asked, begins: Sequence[datetime], end: datetime) -> Statement:
    """Select the same of the days that are over, and of the rows of the one that is not."""
    parts, values = _parts(asked, end, within=" AND r.at >= %(rows_from)s")
    of_variant = ("product_moved", "product_customers") if asked.by_product else _OF_BOOKS
    of_days = dict(zip(("moves", "customers"), of_variant, strict=True))
    days = _DAYS.format(**_codes(asked, "r.monthly_sign"), **of_days, **parts)
    codes = _codes(asked, "r.monthly_change")
    select = _SUMS.format(days=days, span=_SPAN, **codes, **parts)
    rows_from = min(end, midnight(asked.at))
    values |= {"rows_from": rows_from, "rows_from_day": rows_from.date(), "begins": [*begins]}
    return Statement(select, {**values, "days": [one.date() for one in begins]})


_OF_BOOKS: Final = ("moved", "customers")


def _codes(asked: Asked, sign: str) -> dict[str, str]:
    """Return how the code of a movement is told: of what a book does by itself, and together."""
    kinds = {"code": _alone_kind(asked, sign), "moved": "r.kind"}
    return {name: f"CASE {kind} {_CODES} ELSE {_UNTOLD} END" for name, kind in kinds.items()}


def _alone_kind(asked: Asked, sign: str) -> str:
    return _ALONE_KIND_OF_PRODUCT.format(sign=sign) if asked.by_product else _ALONE_KIND


def _is_kept(asked: Asked) -> bool:
    return asked.rates is None and not asked.of_snapshot


def read_sums(row: Sequence[Any]) -> Sums:
    """Read a row of `sums`."""
    currency, product_id, cell, monthly, yearly, movements, customers, *changes = row
    span, code = divmod(cell, 8)
    kind = KINDS[code - 1] if 0 < code < _UNTOLD else None
    customers = customers if code else 0
    return Sums(
        currency,
        product_id,
        span,
        kind,
        int(monthly),
        int(yearly),
        movements,
        customers,
        *changes,
    )


class MovementKey(NamedTuple):
    """A place in the list of movements; the product is empty where none is told."""

    at: Moment
    book: StorableText
    product_id: StorableText


class Movement(NamedTuple):
    """A movement of a book, as it is selected."""

    at: datetime
    book: str
    product_id: str | None
    business_id: str
    customer_id: str | None
    subscription_ids: list[str]
    currency: str | None
    change: Decimal
    kind: str


def movements(
    asked: Asked,
    span: tuple[datetime, datetime],
    kind: str | None,
    after: MovementKey | None,
    limit: int,
) -> Statement:
    """Select the movements from an instant up to, but not at, another, in order, behind `after`."""
    parts, values = _parts(asked, span[1], within=" AND r.at >= %(begin)s")
    # Rows of a leave and an entry in one product cannot have one instant, so the order is total.
    select = """
        WITH {together}, {moves}
        SELECT at, book, product_id, business_id, customer_id, subscription_ids, currency, change,
            kind
        FROM moves
        WHERE (kind = %(kind)s OR %(kind)s::text IS NULL) AND (%(after_at)s::timestamptz IS NULL
            OR (at, book COLLATE "C", coalesce(product_id, '') COLLATE "C")
                > (%(after_at)s, %(after_book)s, %(after)s))
        ORDER BY at, book COLLATE "C", coalesce(product_id, '') COLLATE "C" LIMIT %(limit)s
    """
    at, book, product_id = after or (None, None, None)
    values |= {"begin": span[0], "kind": kind, "limit": limit}
    values |= {"after_at": at, "after_book": book, "after": product_id}
    return Statement(select.format(moves=_MOVES.format(**parts), **parts), values)


_COHORTS: Final = """
    SELECT currency, cohort, span, sum(change), sum(customers), sum(began), sum(began_change)
    FROM ({parts}
        -- So that the planner expects few cells, and does not sort all moves.
        OFFSET 0
    ) AS m
    GROUP BY 1, 2, 3
"""
_OF_COHORT: Final = """
        SELECT r.currency, width_bucket({first_at}, %(begins)s::timestamptz[]) AS cohort,
            width_bucket(r.at, %(begins)s::timestamptz[]) AS span, r.{change} AS change,
            CASE WHEN r.kind IN ('new', 'reactivation') THEN 1 WHEN r.kind = 'churn' THEN -1
                ELSE 0 END AS customers,
            (r.kind = 'new')::int AS began,
            CASE WHEN r.kind = 'new' THEN r.{change} ELSE 0 END AS began_change
        FROM {moves} WHERE {first_at} >= (%(begins)s::timestamptz[])[1]
"""
_COHORT_DAYS: Final = """
        SELECT r.currency, width_bucket(r.month, %(days)s::date[]) AS cohort,
            width_bucket(r.day, %(days)s::date[]) AS span, r.change, r.customers, r.began,
            r.began_change
        FROM cohort_days AS r
        WHERE r.month >= %(first_day)s AND r.day < %(rows_from_day)s{narrowed}
            AND (r.change, r.customers, r.began, r.began_change) <> (0, 0, 0, 0)
        UNION ALL
"""


def cohorts(asked: Asked, begins: Sequence[datetime], end: datetime) -> Statement:
    """Select by currency and the period in which customers began what moved in which period."""
    if _is_kept(asked):
        return _cohorts_kept(asked, begins, end)
    parts, values = _parts(asked, end)
    select = """
        WITH {together}, {moves}, begun AS (
            SELECT book, min(at) AS first_at FROM moves WHERE kind = 'new' GROUP BY book
        ) {cohorts}
    """
    of_moves = "moves AS r JOIN begun AS b ON b.book = r.book"
    told = _OF_COHORT.format(change="change", first_at="b.first_at", moves=of_moves)
    parts |= {"moves": _MOVES.format(**parts), "cohorts": _COHORTS.format(parts=told)}
    return Statement(select.format(**parts), {**values, "begins": [*begins]})


def _cohorts_kept(asked: Asked, begins: Sequence[datetime], end: datetime) -> Statement:
    """Select the same of the days that are over, where periods are months, and of rows."""
    parts, values = _parts(asked, end)
    of_days, within = "", parts["told"]
    if all(instant.day == 1 for instant in (*begins, end)):
        rows_from = min(end, midnight(asked.at))
        of_days, within = _COHORT_DAYS.format(**parts), f"{within} AND r.at >= %(rows_from)s"
        values |= {"rows_from": rows_from, "rows_from_day": rows_from.date()}
        values |= {"first_day": begins[0].date(), "days": [one.date() for one in begins]}
    alone = _OF_COHORT.format(change="total_change", first_at="r.began", moves="recurring AS r")
    alone += f" AND {within} AND r.total_change <> 0 AND r.book NOT IN (TABLE shared_books)"
    shared = _OF_COHORT.format(change="change", first_at="r.began", moves="book_moves AS r")
    shared += f" AND {within} AND NOT r.by_product AND NOT r.taken_back"
    select = _COHORTS.format(parts=f"{of_days}{alone} UNION ALL {shared}")
    return Statement(select, {**values, "begins": [*begins]})


def read_cohort(row: Sequence[Any]) -> tuple[CohortSums, Began]:
    """Read a row of `cohorts`: what moved, and of that what began."""
    currency, cohort, span, *numbers = row
    change, customers, new, new_monthly = map(int, numbers)
    return CohortSums(currency, cohort, span, change, customers), Began(new, new_monthly)


class Stands(NamedTuple):
    """What a subscription stands at, as it is selected."""

    first_position: int
    subscription_id: str
    business_id: str
    customer_id: str | None
    product_id: str | None
    currency: str | None
    monthly: Decimal
    yearly: Decimal
    uncounted: str | None
    since: datetime


def standing(
    asked: Asked,
    counts: str,
    begun: tuple[datetime, datetime] | None,
    before: int | None,
    limit: int,
) -> Statement:
    """Select what active subscriptions earn at the instant, the last to appear first.

    `counts` is `paying`, `trial` or `active`. With `begun`, only of customers whose book began from
    the one instant up to, but not at, the other.
    """
    parts, values = _parts(asked, None)
    which = {
        "paying": "r.monthly > 0",
        "trial": "r.uncounted = 'trial'",
        "active": "(r.monthly > 0 OR r.uncounted IS NOT NULL)",
    }[counts]
    of_cohort = """ AND (
        SELECT min(f.at) FROM {source} AS f
        WHERE f.book = r.book AND f.kind = 'new' AND f.at <= %(at)s
    ) BETWEEN %(begun_from)s AND %(begun_to)s - interval '1 microsecond'"""
    select = """
        SELECT r.first_position, r.subscription_id, r.business_id, r.customer_id, r.product_id,
            r.currency, r.monthly, r.yearly, r.uncounted, r.at
        FROM {source} AS r
        WHERE {told} AND (r.until > %(at)s OR r.until IS NULL) AND NOT r.leaves
            AND {which}{of_product}{of_cohort}
            AND (r.first_position < %(before)s OR %(before)s::bigint IS NULL)
        ORDER BY r.first_position DESC LIMIT %(limit)s
    """
    parts["which"] = which
    parts["of_cohort"] = of_cohort.format(**parts) if begun else ""
    begun_from, begun_to = begun or (None, None)
    values |= {"begun_from": begun_from, "begun_to": begun_to, "before": before, "limit": limit}
    return Statement(select.format(**parts), values)


def _parts(
    asked: Asked, end: datetime | None, *, within: str = ""
) -> tuple[dict[str, str], dict[str, Any]]:
    """Return what the statements are put together from, and the values that they name."""
    converts = asked.rates is not None
    product = "r.product_id" if asked.by_product else "NULL::text"
    narrowed = "".join(
        f" AND r.business_id = %(business_{number})s" for number in range(len(asked.business_ids))
    )
    narrowed += " AND r.currency = %(currency)s" if asked.currency else ""
    parts = {
        "source": _CONVERTED if converts else "recurring",
        "alone": "0" if converts else "1",
        "told": "r.at <= %(at)s" + (" AND r.at < %(end)s" if end else "") + narrowed,
        "narrowed": narrowed,
        "within": within,
        "product": product,
        "kind": _alone_kind(asked, "r.monthly_change"),
        "stood": _STOOD_BY_PRODUCT if asked.by_product else _STOOD,
        "of_variant": "r.by_product" if asked.by_product else "NOT r.by_product",
        # What is kept is read again sooner than it is put aside, with all that a list tells.
        "read_twice": "NOT MATERIALIZED" if _is_kept(asked) else "",
        "change": "monthly_change" if asked.by_product else "total_change",
        "of_product": " AND r.product_id = %(product_id)s" if asked.product_id else "",
    }
    parts["together"] = (_KEPT if _is_kept(asked) else _TOGETHER).format(**parts)
    values: dict[str, Any] = {
        "at": asked.at,
        "end": end,
        "currency": asked.currency,
        "product_id": asked.product_id,
        "into": asked.into,
        "currencies": [*(asked.rates or {})],
        "rates": [*(asked.rates or {}).values()],
        **{f"business_{number}": one for number, one in enumerate(asked.business_ids)},
    }
    return parts, values


_TRIALS: Final = """
    tried AS (
        SELECT r.stream_id, min(r.first_position) AS first_position,
            min(r.subscription_id) AS subscription_id, min(r.business_id) AS business_id,
            (array_agg(r.customer_id ORDER BY r.at))[1] AS customer_id,
            (array_agg(r.currency ORDER BY r.at))[1] AS currency,
            (array_agg(r.product_id ORDER BY r.at))[1] AS product_id,
            min(r.at) FILTER (WHERE r.trial_change = 1) AS started_at,
            max(r.at) AS ended_at,
            CASE WHEN bool_or(r.converted) THEN 'converted'
                WHEN sum(r.trial_change) > 0 THEN 'running' ELSE 'ended' END AS outcome
        FROM recurring AS r
        WHERE (r.trial_change <> 0 OR r.converted) AND {told}{begun}
        GROUP BY r.stream_id
    )
"""
# A report of all of them reads one index in order; a list mostly asks for those of a day.
_BEGUN: Final = """ AND r.stream_id = ANY (array(
            SELECT s.stream_id FROM recurring AS s
            WHERE s.trial_change = 1 AND s.at >= %(begin)s AND s.at < %(until)s
        ))"""


# One that is plain became what stands beside it; of any other, its changes are read.
_TRIALS_KEPT: Final = """
    SELECT r.currency, r.product_id, r.started_at, CASE
        WHEN r.converted_at <= %(at)s THEN 'converted'
        WHEN r.ended_at <= %(at)s THEN 'ended' ELSE 'running' END AS outcome
    FROM trials AS r WHERE r.plain AND r.started_at <= %(at)s{narrowed}
    UNION ALL
"""
_NOT_PLAIN: Final = (
    " AND r.stream_id = ANY (array(SELECT s.stream_id FROM trials AS s WHERE NOT s.plain))"
)


def trials(asked: Asked, begins: Sequence[datetime], end: datetime) -> Statement:
    """Select by currency, and product, how many trials began in which period, by outcome."""
    parts, values = _parts(asked, None)
    product = "t.product_id" if asked.by_product else "NULL::text"
    kept, begun = "", ""
    if _is_kept(asked):
        kept, begun = _TRIALS_KEPT.format(**parts), _NOT_PLAIN
    select = f"""
        WITH {_TRIALS}
        SELECT t.currency, {product}, width_bucket(t.started_at, %(begins)s::timestamptz[]),
            t.outcome, count(*)
        FROM ({kept} SELECT currency, product_id, started_at, outcome FROM tried) AS t
        WHERE t.started_at >= %(begin)s AND t.started_at < %(until)s{{of_product}}
        GROUP BY 1, 2, 3, 4
    """  # noqa: S608 -- constants
    values |= {"begins": [*begins], "begin": begins[0], "until": end}
    return Statement(_of_trials(select, parts, begun=begun), values)


def read_trials(row: Sequence[Any]) -> tuple[str | None, str | None, int, str, int]:
    """Read a row of `trials`: the currency, the product, the period, the outcome, how many."""
    currency, product_id, span, outcome, count = row
    return currency, product_id, span, outcome, count


class Trial(NamedTuple):
    """A trial, as it is selected."""

    first_position: int
    subscription_id: str
    business_id: str
    customer_id: str | None
    currency: str | None
    product_id: str | None
    started_at: datetime
    ended_at: datetime | None
    outcome: str


def list_trials(
    asked: Asked,
    span: tuple[datetime, datetime],
    outcome: str | None,
    before: int | None,
    limit: int,
) -> Statement:
    """Select the trials that began from an instant up to another, the last to appear first."""
    parts, values = _parts(asked, None)
    select = f"""
        WITH {_TRIALS}
        SELECT t.first_position, t.subscription_id, t.business_id, t.customer_id, t.currency,
            t.product_id, t.started_at, CASE WHEN t.outcome <> 'running' THEN t.ended_at END,
            t.outcome
        FROM tried AS t
        WHERE t.started_at >= %(begin)s AND t.started_at < %(until)s{{of_product}}
            AND (t.outcome = %(outcome)s OR %(outcome)s::text IS NULL)
            AND (t.first_position < %(before)s OR %(before)s::bigint IS NULL)
        ORDER BY t.first_position DESC LIMIT %(limit)s
    """  # noqa: S608 -- constants
    values |= {"begin": span[0], "until": span[1], "outcome": outcome}
    values |= {"before": before, "limit": limit}
    return Statement(_of_trials(select, parts, begun=_BEGUN), values)


def _of_trials(select: str, parts: Mapping[str, str], *, begun: str) -> str:
    of_product = parts["of_product"].replace("r.", "t.")
    return select.format(told=parts["told"], begun=begun, of_product=of_product)
