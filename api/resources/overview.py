"""How things stand, in counts that lead to the lists of what they count."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from api.answers.access import LastWebhook
from api.answers.overview import CountedAnomalies, CurrencySum, ListedCount, ListedSums, Overview
from api.http.operations import Operation
from api.http.questions import Past
from api.queries.time_travel import rows_then
from api.resources.anomalies import instant_of
from api.resources.revenue_query import link
from domain.revenue.calendar import midnight
from projections import overview
from projections.overview import ACTIVE, DISPUTED, FAILED, IN_GRACE
from projections.read_models import anomalies
from workflows.outbox import queries as outbox

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from api.queries.read_side import ReadSide

FAILED_DAYS: Final = 7
"""Of so many days, with the one that it is, failed payments are counted."""


def begin_of_failed(at: datetime) -> datetime:
    """Return since when failed payments are counted at an instant: a day's begin, in UTC."""
    return midnight(at) - timedelta(days=FAILED_DAYS - 1)


async def _overview(read_side: ReadSide, query: Past) -> Overview:
    instant, business_id = await instant_of(read_side, query), read_side.business_id
    failed_from = begin_of_failed(instant.at)
    counted = overview.counts(
        query.as_of, failed_from, business_id, of_snapshot=query.known_at is not None
    )
    rows, webhooks, open_, parked = await asyncio.gather(
        rows_then(read_side, query, counted),
        rows_then(read_side, query, overview.last_webhooks(instant.until, business_id)),
        rows_then(read_side, query, anomalies.counts(instant, business_id)),
        _parked(read_side, query),
    )
    counts = [overview.Counted(*row) for row in rows]  # type: ignore[arg-type]  # as selected
    in_grace = _number(counts, IN_GRACE)
    return Overview(
        at=instant.at,
        last_webhooks=[LastWebhook(*row) for row in webhooks],  # type: ignore[arg-type]  # as selected
        active_subscriptions=ListedCount(
            _number(counts, ACTIVE) + in_grace, _listed(query, "subscriptions", active="true")
        ),
        in_grace=ListedCount(
            in_grace, _listed(query, "subscriptions", status="past_due", active="true")
        ),
        open_disputes=_summed(counts, DISPUTED, _listed(query, "disputes", open="true")),
        failed_from=failed_from,
        failed_payments=_summed(
            counts,
            FAILED,
            _listed(query, "payments", status="failed", created_at_gte=failed_from),
        ),
        anomalies=[
            CountedAnomalies(code, count, _listed(query, "anomalies", code=code))
            for code, count in msgspec.convert(open_, list[tuple[str, int]])
        ],
        parked_jobs=parked,
    )


async def _parked(read_side: ReadSide, query: Past) -> ListedCount | None:
    if query.asks_past:
        return None
    ((count,),) = await read_side.database.rows(outbox.parked(read_side.business_id))
    return ListedCount(int(str(count)), link("/v1/routes/outbox", state="parked"))


def _number(counts: Sequence[overview.Counted], what: str) -> int:
    return sum(one.number for one in counts if one.what == what)


def _summed(counts: Sequence[overview.Counted], what: str, made_of: str) -> ListedSums:
    own = [one for one in counts if one.what == what]
    own.sort(key=lambda one: (-one.number, one.currency is None, one.currency or ""))
    sums = [CurrencySum(one.currency, one.number, one.amount or 0) for one in own]
    return ListedSums(_number(counts, what), sums, made_of)


def _listed(query: Past, resource: str, **filters: object) -> str:
    times = query.given("as_of", "known_at")
    return link(f"/v1/{resource}", **filters, **times)


GET_OVERVIEW: Final = Operation["ReadSide", Past, Overview](
    path="/v1/overview",
    name="get_overview",
    summary="Tell how things stand: active subscriptions, who is in grace, open disputes, failed"
    " payments, what is wrong, and the last webhook of each business.",
    handle=_overview,
    takes=Past,
    answers=Overview,
)
