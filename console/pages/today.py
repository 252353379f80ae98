"""The first page: whether all is well, what comes in, and what wants to be looked at.

MRR of a year costs more than all the rest together, so it is a page of its own, which this one
shows as it was lately, with its time, and has fetched anew beside what it shows.
"""

from __future__ import annotations

import asyncio
import re
from datetime import date
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from api.http.errors import ApiError
from api.http.questions import Query
from api.resources.health import METRICS
from api.resources.objects import OBJECTS
from api.resources.overview import GET_OVERVIEW, begin_of_failed
from api.resources.revenue import GET_MRR
from console.drawing.sparkline import Sparkline, sparkline
from console.page import Menu, Page, View
from console.pages.readiness import Readiness, readiness
from console.rendering.words import count, money
from console.visit import Visit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from api.answers.overview import Overview
    from api.answers.revenue import MrrReport
    from domain.revenue.mrr import MrrFigures

SHOWN: Final = 5
"""So many of the newest are named beside their number."""
MRR_AGE_MAX_S: Final = 60.0
"""A year of MRR is worked out once in so long at the most, however many look."""
_UNVERIFIED: Final = re.compile(rb'raphus_deliveries_total{[^}]*outcome="unverified"[^}]*} (\S+)')


async def _today(visit: Visit, _query: Query) -> View:
    overview, state, disputes, failed, in_grace = await asyncio.gather(
        visit.ask(GET_OVERVIEW),
        _state(visit),
        _newest(visit, "disputes", open=True),
        _newest(visit, "payments", status="failed", created_at_gte=begin_of_failed(visit.at)),
        _newest(visit, "subscriptions", status="past_due", active=True),
    )
    if not overview.last_webhooks and not visit.is_past:
        data = {"state": state, "unverified": await _unverified(visit)}
        return View("today_connect.html", "Connect Dodo", data)
    lately = visit.answered_lately(GET_MRR)
    data = {
        "overview": overview,
        "state": state,
        "is_well": _is_well(overview, state),
        "disputes": disputes,
        "failed": failed,
        "in_grace": in_grace,
        "mrr": None if lately is None else _mrr_year(lately[0]),
        "mrr_is_old": lately is None or lately[1] > MRR_AGE_MAX_S,
    }
    return View("today.html", "Today", data)


async def _newest(visit: Visit, resource: str, **filters: object) -> list[Any]:
    page = await visit.ask(OBJECTS[resource].list, limit=SHOWN, **filters)
    return page.items


async def _state(visit: Visit) -> Readiness | None:
    """Return how the server is now; of the past there is nothing to tell."""
    return None if visit.is_past else await readiness(visit)


def _is_well(overview: Overview, state: Readiness | None) -> bool:
    wrong = state is not None and (state.problem or state.is_behind or state.warnings)
    parked = overview.parked_jobs is not None and overview.parked_jobs.count
    return not (wrong or overview.anomalies or parked)


async def _unverified(visit: Visit) -> int | None:
    """Return how many webhooks were refused since the server began; None where it may not tell."""
    try:
        metrics = await visit.ask(METRICS)
    except ApiError:
        return None
    return int(sum(float(number) for number in _UNVERIFIED.findall(metrics.body)))


class Month(NamedTuple):
    """Where one month ended, or stands."""

    start: date
    mrr: int
    active: int


class Year(NamedTuple):
    """One currency's MRR and active subscriptions at the end of each month of a year, up to now."""

    currency: str | None
    now: MrrFigures
    months: list[Month]
    mrr_line: Sparkline
    active_line: Sparkline


class MrrYear(NamedTuple):
    """A year of MRR by currency, the one with the most subscriptions first."""

    report: MrrReport
    years: list[Year]


def _mrr_year(report: MrrReport) -> MrrYear:
    starts = [period.start for period in report.periods]
    by_currency: dict[str | None, dict[date, MrrFigures]] = {}
    for period in report.periods:
        for one in period.figures:
            by_currency.setdefault(one.currency, {})[period.start] = one
    now = [(currency, told[starts[-1]]) for currency, told in by_currency.items()]
    now.sort(key=lambda one: -one[1].active_subscriptions.end)
    years = [
        _year(number, figures, _months(starts, by_currency[currency]))
        for number, (currency, figures) in enumerate(now)
    ]
    return MrrYear(report, years)


def _months(starts: Sequence[date], told: Mapping[date, MrrFigures]) -> list[Month]:
    ends = [(start, told.get(start)) for start in starts]
    return [
        Month(start, one.end, one.active_subscriptions.end) if one else Month(start, 0, 0)
        for start, one in ends
    ]


def _year(number: int, now: MrrFigures, months: list[Month]) -> Year:
    currency = now.currency
    told = f"in {currency}, by months since {months[0].start:%B %Y}"
    mrr_line = sparkline(
        [one.mrr for one in months],
        title=f"MRR {told}",
        words=[money(one.mrr, currency) for one in months],
        key=f"mrr-{number}",
    )
    active_line = sparkline(
        [one.active for one in months],
        title=f"Active subscriptions {told}",
        words=[count(one.active) for one in months],
        key=f"active-{number}",
    )
    return Year(currency, now, months, mrr_line, active_line)


async def _mrr(visit: Visit, _query: Query) -> View:
    report = await visit.ask_lately(GET_MRR, age_max_s=MRR_AGE_MAX_S)
    return View("today_mrr.html", "MRR and active subscriptions", {"mrr": _mrr_year(report)})


TODAY: Final = Page(path="/", takes=Query, handle=_today, menu=Menu("", "Today"))
TODAY_MRR: Final = Page(path="/today/mrr", takes=Query, handle=_mrr)
