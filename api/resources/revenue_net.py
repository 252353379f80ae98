"""What payments brought by period, and the payments, refunds and disputes behind the figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta

from api.answers.revenue import ListedTaking, NetPeriod, NetReport
from api.http.cursors import Cursor
from api.http.operations import Operation
from api.http.pagination import Item, Page, page
from api.http.parameters import Flag, one_of
from api.http.questions import LIMIT_DEFAULT, Limit
from api.queries.time_travel import rows_then
from api.resources.revenue_query import DaysQuery, RangeQuery, businesses, link
from domain.revenue.definitions import TAKINGS
from domain.revenue.net import NetFigures, net_figures
from domain.revenue.takings import KINDS, Kind
from projections.read_models import takings
from projections.read_models.takings import Asked, TakingKey

if TYPE_CHECKING:
    from api.queries.read_side import ReadSide
    from domain.revenue.calendar import Span
    from postgres.statement import Row


class NetQuery(RangeQuery, frozen=True, kw_only=True):
    """Asks for what payments brought by period; `currency` is that of settlement."""


async def _net(read_side: ReadSide, query: NetQuery) -> NetReport:
    at = query.at
    spans = query.spans(at)
    begins = [span.begin for span in spans]
    of_which = businesses(read_side, query)
    asked = Asked(at, begins[0], spans[-1].end, of_which, query.currency)
    statement = takings.sums(asked, begins, of_snapshot=query.known_at is not None)
    rows = await rows_then(read_side, query, statement)
    told = net_figures(map(takings.read_sums, rows), len(spans))
    return NetReport(
        at=at,
        period=query.period,
        periods=[
            NetPeriod(
                start=span.first,
                end=span.last,
                complete=span.end <= at,
                figures=[_linked(one, span, query) for one in own],
            )
            for span, own in zip(spans, told, strict=True)
        ],
        definitions=dict(TAKINGS),
    )


def _linked(one: NetFigures, span: Span, query: NetQuery) -> NetFigures:
    made_of = link(
        "/v1/revenue/takings",
        start=span.first,
        end=span.last,
        as_of=query.as_of,
        known_at=query.known_at,
        currency=one.currency,
        business_id=query.business_id,
    )
    return msgspec.structs.replace(one, made_of=made_of)


GET_NET: Final = Operation["ReadSide", NetQuery, NetReport](
    path="/v1/revenue/net",
    name="get_net_revenue",
    summary="Tell what payments brought: gross, tax, refunds, disputes, failures, net revenue.",
    handle=_net,
    takes=NetQuery,
    answers=NetReport,
)

_CURSOR: Final = Cursor("revenue takings", TakingKey)


class TakingsQuery(DaysQuery, frozen=True, kw_only=True):
    """Asks for what counts in a range of days; `currency` is that of settlement."""

    kind: Annotated[Kind | None, one_of(KINDS), Meta(description="Only of this kind.")] = None
    recovered: Annotated[
        Flag | None, Meta(description="Only failures that were recovered (true), or others.")
    ] = None
    limit: Limit = LIMIT_DEFAULT
    cursor: Annotated[TakingKey | None, _CURSOR.meta] = None


async def _takings(read_side: ReadSide, query: TakingsQuery) -> Page[ListedTaking]:
    at = query.at
    begin, end = query.instants(at)
    asked = Asked(at, begin, end, businesses(read_side, query), query.currency)
    limit = query.limit
    statement = takings.listed(
        asked, query.kind, query.cursor, limit + 1, recovered=query.recovered
    )
    return page(await rows_then(read_side, query, statement), limit, _read, _CURSOR)


def _read(row: Row) -> Item[TakingKey, ListedTaking]:
    one = takings.Listed(*row)  # type: ignore[arg-type]  # as it is selected
    gross = None if one.gross is None else int(one.gross)
    tax = None if one.tax is None else int(one.tax)
    net = None if gross is None or tax is None else one.net_sign * (gross - tax)
    return Item(
        TakingKey(one.at, one.kind, one.id, one.ordinal),
        ListedTaking(
            at=one.at,
            kind=one.kind,
            id=one.id,
            business_id=one.business_id,
            customer_id=one.customer_id,
            payment_id=one.payment_id,
            subscription_id=one.subscription_id,
            currency=one.currency,
            amount=one.amount,
            settlement_currency=one.settlement_currency,
            gross=gross,
            tax=tax,
            net=net,
            recovered=one.recovered,
        ),
    )


LIST_TAKINGS: Final = Operation["ReadSide", TakingsQuery, Page[ListedTaking]](
    path="/v1/revenue/takings",
    name="list_takings",
    summary="List what net revenue is made of: payments, failures, refunds and disputes, in order.",
    handle=_takings,
    takes=TakingsQuery,
    answers=Page[ListedTaking],
)
