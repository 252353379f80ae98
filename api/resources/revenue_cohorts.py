"""Retention by cohort: how much is left of the customers who began in one period."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta

from api.answers.revenue import Cohort, CohortReport
from api.http.errors import InvalidParameterError
from api.http.operations import Operation
from api.http.parameters import Flag
from api.queries.time_travel import rows_then
from api.resources.revenue import Which, asked_by, conversion_of
from api.resources.revenue_query import CONVERTED, RangeQuery, further, last_instant, link
from domain.revenue.cohorts import Began, CohortSums, Retained, retained
from domain.revenue.definitions import COHORTS
from projections.read_models import mrr

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from api.queries.read_side import ReadSide
    from domain.revenue.calendar import Span

COHORTS_MAX: Final = 120
"""A heat map has half the square of it as cells, for each currency."""


class CohortsQuery(RangeQuery, frozen=True, kw_only=True):
    """Asks for the cohorts that began in a range of days."""

    converted: Annotated[Flag, Meta(description=CONVERTED)] = False


async def _cohorts(read_side: ReadSide, query: CohortsQuery) -> CohortReport:
    at = query.at
    spans = query.spans(at)
    if len(spans) > COHORTS_MAX:
        raise InvalidParameterError("start", f"lies too far back: {COHORTS_MAX} periods are told")
    which = Which(converted=query.converted)
    asked = asked_by(read_side, query, at, which)
    statement = mrr.cohorts(asked, [span.begin for span in spans], spans[-1].end)
    sums: list[CohortSums] = []
    began: dict[tuple[str | None, int], Began] = {}
    for row in await rows_then(read_side, query, statement):
        one, new = mrr.read_cohort(row)
        sums.append(one)
        if one.span == one.cohort:
            began[one.currency, one.cohort] = new
    rows = retained(sums, began, len(spans))
    return CohortReport(
        at=at,
        period=query.period,
        conversion=conversion_of(read_side, which),
        cohorts=[
            Cohort(
                start=spans[cohort - 1].first,
                end=spans[cohort - 1].last,
                currency=currency,
                customers=began[currency, cohort].customers,
                mrr=began[currency, cohort].monthly,
                retained=_linked(rows[currency, cohort], spans[cohort - 1 :], currency, query, at),
            )
            for currency, cohort in rows
        ],
        definitions=dict(COHORTS),
    )


def _linked(
    own: Sequence[Retained],
    spans: Sequence[Span],
    currency: str | None,
    query: CohortsQuery,
    at: datetime,
) -> list[Retained]:
    """Say where the cells of a cohort lead, which began in the first of these periods."""
    of_cohort = link(
        "/v1/revenue/subscriptions",
        cohort_start=spans[0].first,
        cohort_end=spans[0].last,
        known_at=query.known_at,
        currency=currency,
        business_id=query.business_id,
        converted="true" if query.converted else None,
    )
    return [
        msgspec.structs.replace(one, made_of=of_cohort + further(as_of=last_instant(span, at)))
        for one, span in zip(own, spans, strict=True)
    ]


GET_COHORTS: Final = Operation["ReadSide", CohortsQuery, CohortReport](
    path="/v1/revenue/cohorts",
    name="get_cohorts",
    summary="Tell how many customers, and how much MRR, is left of those who began together.",
    handle=_cohorts,
    takes=CohortsQuery,
    answers=CohortReport,
)
