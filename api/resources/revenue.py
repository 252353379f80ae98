"""MRR by period, the movements that it is made of, and the subscriptions that it stands on."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final, Literal, NamedTuple, TypeAlias

import msgspec
from msgspec import Meta

from api.answers.revenue import (
    Conversion,
    EarningSubscription,
    ListedMovement,
    MrrPeriod,
    MrrReport,
)
from api.http.cursors import Cursor
from api.http.errors import ApiError
from api.http.operations import Operation
from api.http.pagination import Item, Page, page
from api.http.parameters import Flag, one_of
from api.http.questions import LIMIT_DEFAULT, Limit
from api.queries.time_travel import rows_then
from api.resources.revenue_query import (
    CELLS_MAX,
    CONVERTED,
    By,
    ByWhat,
    Day,
    DaysQuery,
    Narrowed,
    Product,
    RangeQuery,
    businesses,
    further,
    instants,
    last_instant,
    link,
)
from domain.revenue.definitions import MRR
from domain.revenue.mrr import MadeOf, MrrFigures, figures
from domain.revenue.recurring import KINDS, Kind
from projections.read_models import mrr
from projections.read_models.mrr import Asked, MovementKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.queries.read_side import ReadSide
    from domain.revenue.calendar import Span
    from postgres.statement import Row

Counts: TypeAlias = Literal["paying", "trial", "active"]


class Which(NamedTuple):
    """Which part of the changes is asked about, and whether it is to be converted."""

    product_id: str | None = None
    by: By = "currency"
    converted: bool = False


class MrrQuery(RangeQuery, frozen=True, kw_only=True):
    """Asks for MRR by period."""

    by: ByWhat = "currency"
    product_id: Product = None
    converted: Annotated[Flag, Meta(description=CONVERTED)] = False

    @property
    def which(self) -> Which:
        """Which part of the changes it asks about."""
        return Which(self.product_id, self.by, self.converted)


def asked_by(read_side: ReadSide, query: Narrowed, at: datetime, which: Which) -> Asked:
    """Return which changes are asked about.

    Raises:
        ApiError: 400 or 503; there are no rates to convert by.
    """
    rates = read_side.rules.rates.asked() if which.converted else None
    return Asked(
        at=at,
        business_ids=businesses(read_side, query),
        currency=query.currency,
        product_id=which.product_id,
        by_product=which.by == "product" or which.product_id is not None,
        into=rates.into if rates else None,
        rates=rates.factors() if rates else None,
        of_snapshot=query.known_at is not None,
    )


def conversion_of(read_side: ReadSide, which: Which) -> Conversion | None:
    """Return by which rates figures are converted."""
    rates = read_side.rules.rates.current() if which.converted else None
    return Conversion(rates.into, dict(rates.of)) if rates else None


async def _mrr(read_side: ReadSide, query: MrrQuery) -> MrrReport:
    at = query.at
    spans = query.spans(at)
    asked = asked_by(read_side, query, at, query.which)
    statement = mrr.sums(asked, [span.begin for span in spans], spans[-1].end)
    sums = [mrr.read_sums(row) for row in await rows_then(read_side, query, statement)]
    series = len({(one.currency, one.product_id) for one in sums})
    if series * len(spans) > CELLS_MAX:
        told = f"{series} series of {len(spans)} periods are too many: ask for fewer periods"
        raise ApiError(400, "too_much", f"{told}, one currency, or one product")
    return MrrReport(
        at=at,
        period=query.period,
        by=query.by,
        conversion=conversion_of(read_side, query.which),
        periods=[
            MrrPeriod(span.first, span.last, span.end <= at, own)
            for span, own in zip(
                spans, _linked(figures(sums, len(spans)), spans, query, at), strict=True
            )
        ],
        definitions=dict(MRR),
    )


def _linked(
    told: Sequence[Sequence[MrrFigures]], spans: Sequence[Span], query: MrrQuery, at: datetime
) -> list[list[MrrFigures]]:
    """Say where figures lead: by requests of a period, of which each series asks further."""
    series = {(one.currency, one.product_id) for own in told for one in own}
    of_series = {
        (currency, product_id): further(
            currency=currency,
            product_id=product_id or query.product_id,
            business_id=query.business_id,
            converted="true" if query.converted else None,
        )
        for currency, product_id in series
    }
    return [
        [_led(one, of_span, of_series[one.currency, one.product_id]) for one in own]
        for of_span, own in zip((_of_span(span, query, at) for span in spans), told, strict=True)
    ]


def _of_span(span: Span, query: MrrQuery, at: datetime) -> MadeOf:
    return MadeOf(
        end=link(
            "/v1/revenue/subscriptions",
            as_of=last_instant(span, at),
            known_at=query.known_at,
        ),
        movements=link(
            "/v1/revenue/movements",
            start=span.first,
            end=span.last,
            by=query.by if query.by == "product" else None,
            as_of=query.as_of,
            known_at=query.known_at,
        ),
    )


def _led(one: MrrFigures, of_span: MadeOf, of_series: str) -> MrrFigures:
    made_of = MadeOf(of_span.end + of_series, of_span.movements + of_series)
    return msgspec.structs.replace(one, made_of=made_of)


GET_MRR: Final = Operation["ReadSide", MrrQuery, MrrReport](
    path="/v1/revenue/mrr",
    name="get_mrr",
    summary="Tell MRR by month, week or day: what moved it, ARR, customers, churn, averages.",
    handle=_mrr,
    takes=MrrQuery,
    answers=MrrReport,
)

_MOVEMENT_CURSOR: Final = Cursor("revenue movements", MovementKey)


class MovementsQuery(DaysQuery, frozen=True, kw_only=True):
    """Asks for the movements of a range of days."""

    kind: Annotated[Kind | None, one_of(KINDS), Meta(description="Only of this kind.")] = None
    by: ByWhat = "currency"
    product_id: Product = None
    converted: Annotated[Flag, Meta(description=CONVERTED)] = False
    limit: Limit = LIMIT_DEFAULT
    cursor: Annotated[MovementKey | None, _MOVEMENT_CURSOR.meta] = None


async def _movements(read_side: ReadSide, query: MovementsQuery) -> Page[ListedMovement]:
    at = query.at
    span = query.instants(at)
    asked = asked_by(read_side, query, at, Which(query.product_id, query.by, query.converted))
    statement = mrr.movements(asked, span, query.kind, query.cursor, query.limit + 1)
    rows = await rows_then(read_side, query, statement)
    return page(rows, query.limit, _read_movement, _MOVEMENT_CURSOR)


def _read_movement(row: Row) -> Item[MovementKey, ListedMovement]:
    one = mrr.Movement(*row)  # type: ignore[arg-type]  # as it is selected
    return Item(
        MovementKey(one.at, one.book, one.product_id or ""),
        ListedMovement(
            at=one.at,
            kind=one.kind,
            amount=int(one.change),
            currency=one.currency,
            product_id=one.product_id,
            business_id=one.business_id,
            customer_id=one.customer_id,
            subscription_ids=one.subscription_ids,
        ),
    )


LIST_MOVEMENTS: Final = Operation["ReadSide", MovementsQuery, Page[ListedMovement]](
    path="/v1/revenue/movements",
    name="list_revenue_movements",
    summary="List the movements that figures of MRR are made of, in the order they occurred.",
    handle=_movements,
    takes=MovementsQuery,
    answers=Page[ListedMovement],
)

_STANDING_CURSOR: Final = Cursor("revenue subscriptions", int)


class EarningQuery(Narrowed, frozen=True, kw_only=True):
    """Asks for what MRR stands on at an instant."""

    counts: Annotated[
        Counts,
        one_of(("paying", "trial", "active")),
        Meta(description="Those with MRR, those in their trial, or all that are active."),
    ] = "paying"
    product_id: Product = None
    converted: Annotated[Flag, Meta(description=CONVERTED)] = False
    cohort_start: Annotated[
        Day | None, Meta(description="Only of customers who began on this day or later.")
    ] = None
    cohort_end: Annotated[
        Day | None, Meta(description="Only of customers who began on this day or earlier.")
    ] = None
    limit: Limit = LIMIT_DEFAULT
    cursor: Annotated[int | None, _STANDING_CURSOR.meta] = None


async def _earning(read_side: ReadSide, query: EarningQuery) -> Page[EarningSubscription]:
    at = query.at
    asked = asked_by(read_side, query, at, Which(query.product_id, converted=query.converted))
    begun, start, end = None, query.cohort_start, query.cohort_end
    if start is not None or end is not None:
        begun = instants(start, end or at.date(), ("cohort_start", "cohort_end"))
    statement = mrr.standing(asked, query.counts, begun, query.cursor, query.limit + 1)
    rows = await rows_then(read_side, query, statement)
    return page(rows, query.limit, _read_earning, _STANDING_CURSOR)


def _read_earning(row: Row) -> Item[int, EarningSubscription]:
    one = mrr.Stands(*row)  # type: ignore[arg-type]  # as it is selected
    return Item(
        one.first_position,
        EarningSubscription(
            subscription_id=one.subscription_id,
            business_id=one.business_id,
            customer_id=one.customer_id,
            product_id=one.product_id,
            currency=one.currency,
            mrr=int(one.monthly),
            arr=int(one.yearly),
            uncounted=one.uncounted,
            since=one.since,
        ),
    )


LIST_EARNING: Final = Operation["ReadSide", EarningQuery, Page[EarningSubscription]](
    path="/v1/revenue/subscriptions",
    name="list_revenue_subscriptions",
    summary="List the subscriptions that MRR stands on at an instant, the last to appear first.",
    handle=_earning,
    takes=EarningQuery,
    answers=Page[EarningSubscription],
)
