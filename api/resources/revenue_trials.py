"""Trials by the period in which they began: what became of them, and which they are."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias

from msgspec import Meta

from api.answers.revenue import ListedTrial, TrialFigures, TrialPeriod, TrialReport
from api.http.cursors import Cursor
from api.http.operations import Operation
from api.http.pagination import Item, Page, page
from api.http.parameters import one_of
from api.http.questions import LIMIT_DEFAULT, Limit
from api.queries.time_travel import rows_then
from api.resources.revenue import Which, asked_by
from api.resources.revenue_query import ByWhat, DaysQuery, Product, RangeQuery, link
from domain.revenue.definitions import TRIALS
from domain.revenue.mrr import rate
from projections.read_models import mrr

if TYPE_CHECKING:
    from api.queries.read_side import ReadSide
    from domain.revenue.calendar import Span
    from postgres.statement import Row

Outcome: TypeAlias = Literal["converted", "ended", "running"]
_Series: TypeAlias = tuple[str | None, str | None]
"""A currency and a product."""
_CURSOR: Final = Cursor("revenue trials", int)


class TrialsQuery(RangeQuery, frozen=True, kw_only=True):
    """Asks for trials by the period in which they began."""

    by: ByWhat = "currency"
    product_id: Product = None


async def _trials(read_side: ReadSide, query: TrialsQuery) -> TrialReport:
    at = query.at
    spans = query.spans(at)
    asked = asked_by(read_side, query, at, Which(query.product_id, query.by))
    statement = mrr.trials(asked, [span.begin for span in spans], spans[-1].end)
    told: dict[int, dict[_Series, dict[str, int]]] = defaultdict(dict)
    for row in await rows_then(read_side, query, statement):
        currency, product_id, number, outcome, count = mrr.read_trials(row)
        told[number].setdefault((currency, product_id), {})[outcome] = count
    return TrialReport(
        at=at,
        period=query.period,
        by=query.by,
        periods=[
            TrialPeriod(
                start=span.first,
                end=span.last,
                complete=span.end <= at,
                figures=[
                    _figures(series, told[number][series], span, query)
                    for series in sorted(told[number], key=_in_order)
                ],
            )
            for number, span in enumerate(spans, start=1)
        ],
        definitions=dict(TRIALS),
    )


def _in_order(series: _Series) -> tuple[tuple[bool, str], ...]:
    return tuple((part is None, part or "") for part in series)


def _figures(
    series: _Series, by_outcome: dict[str, int], span: Span, query: TrialsQuery
) -> TrialFigures:
    currency, product_id = series
    made_of = link(
        "/v1/revenue/trials/subscriptions",
        start=span.first,
        end=span.last,
        as_of=query.as_of,
        known_at=query.known_at,
        currency=currency,
        product_id=product_id or query.product_id,
        business_id=query.business_id,
    )
    started, converted = sum(by_outcome.values()), by_outcome.get("converted", 0)
    return TrialFigures(
        currency=currency,
        product_id=product_id,
        started=started,
        converted=converted,
        ended=by_outcome.get("ended", 0),
        running=by_outcome.get("running", 0),
        conversion_rate=rate(converted, started),
        made_of=made_of,
    )


GET_TRIALS: Final = Operation["ReadSide", TrialsQuery, TrialReport](
    path="/v1/revenue/trials",
    name="get_trials",
    summary="Tell what became of the trials that began in each period.",
    handle=_trials,
    takes=TrialsQuery,
    answers=TrialReport,
)


class TrialListQuery(DaysQuery, frozen=True, kw_only=True):
    """Asks for the trials that began in a range of days."""

    outcome: Annotated[
        Outcome | None,
        one_of(("converted", "ended", "running")),
        Meta(description="Only those that came to this."),
    ] = None
    product_id: Product = None
    limit: Limit = LIMIT_DEFAULT
    cursor: Annotated[int | None, _CURSOR.meta] = None


async def _list(read_side: ReadSide, query: TrialListQuery) -> Page[ListedTrial]:
    at = query.at
    span = query.instants(at)
    asked = asked_by(read_side, query, at, Which(query.product_id, "product"))
    statement = mrr.list_trials(asked, span, query.outcome, query.cursor, query.limit + 1)
    return page(await rows_then(read_side, query, statement), query.limit, _read, _CURSOR)


def _read(row: Row) -> Item[int, ListedTrial]:
    one = mrr.Trial(*row)  # type: ignore[arg-type]  # as it is selected
    return Item(one.first_position, ListedTrial(*one[1:]))


LIST_TRIALS: Final = Operation["ReadSide", TrialListQuery, Page[ListedTrial]](
    path="/v1/revenue/trials/subscriptions",
    name="list_trials",
    summary="List the trials that figures are made of, the last to appear first.",
    handle=_list,
    takes=TrialListQuery,
    answers=Page[ListedTrial],
)
