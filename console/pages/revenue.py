"""Revenue: reports by period, in which each figure leads to the list of what it is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NamedTuple, TypeVar

from msgspec import Meta

from api.http.parameters import one_of
from api.resources.revenue import GET_MRR, MrrQuery
from api.resources.revenue_cohorts import GET_COHORTS, CohortsQuery
from api.resources.revenue_net import GET_NET, NetQuery
from api.resources.revenue_trials import GET_TRIALS, TrialsQuery
from console.drawing.heat_map import retention
from console.page import Menu, Page, View
from console.rendering.forms import filters_of
from console.visit import Visit
from domain.revenue.recurring import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date
    from typing import Protocol

    class Figures(Protocol):
        """The figures of one series in one period."""

        @property
        def currency(self) -> str | None:
            """What its amounts are of."""

    AnyFigures = TypeVar("AnyFigures", bound=Figures)

    class Told(Protocol):
        """One period of a report."""

        @property
        def start(self) -> date:
            """Its first day."""

        @property
        def figures(self) -> list[Any]:
            """The figures of each series in it."""


SERIES_MAX: Final = 24
"""So many currencies and products are shown on a page."""
AT_LENGTH_MAX: Final = 4
"""So many of MRR, each in two tables: those of the most subscriptions."""
IN_SHORT_MAX: Final = 100
"""So many others are told in a line each, as they stood last."""


class Series(NamedTuple):
    """One currency, or product within it: its figures by period; None where it had none."""

    currency: str | None
    product_id: str | None
    periods: list[tuple[Any, Any]]

    @property
    def last(self) -> Any:  # noqa: ANN401 -- figures of a report
        """The figures of the last period that has any."""
        return next(figures for _, figures in reversed(self.periods) if figures is not None)


class CohortsPage(CohortsQuery, frozen=True, kw_only=True):
    """Asks for retention, and of what."""

    measure: Annotated[
        Literal["customers", "mrr"],
        one_of(("customers", "mrr")),
        Meta(description="What is left: customers, or their MRR."),
    ] = "customers"


def series_of(periods: Iterable[Told]) -> list[Series]:
    """Part a report by period into its series, in the order in which they first stand in it."""
    told = list(periods)
    by_period = [
        {(one.currency, getattr(one, "product_id", None)): one for one in period.figures}
        for period in told
    ]
    names = dict.fromkeys(name for of_period in by_period for name in of_period)
    return [
        Series(
            *name, [(period, own.get(name)) for period, own in zip(told, by_period, strict=True)]
        )
        for name in names
    ]


async def _mrr(visit: Visit, query: MrrQuery) -> View:
    report = await visit.ask_by(GET_MRR, query)
    series = sorted(series_of(report.periods), key=lambda one: -one.last.active_subscriptions.end)
    told_max = AT_LENGTH_MAX + IN_SHORT_MAX
    data = {
        "series": series[:AT_LENGTH_MAX],
        "in_short": series[AT_LENGTH_MAX:told_max],
        "left_out": len(series[told_max:]),
        "movements": KINDS,
    }
    return _view(visit, "revenue/mrr.html", "MRR", GET_MRR, report, **data)


async def _net(visit: Visit, query: NetQuery) -> View:
    report = await visit.ask_by(GET_NET, query)
    return _view(visit, "revenue/net.html", "Net revenue", GET_NET, report, **_first(report))


async def _trials(visit: Visit, query: TrialsQuery) -> View:
    report = await visit.ask_by(GET_TRIALS, query)
    return _view(visit, "revenue/trials.html", "Trials", GET_TRIALS, report, **_first(report))


def _first(report: Any) -> dict[str, object]:  # noqa: ANN401 -- one of the reports
    """Return the series of a report that are shown, and how many are not."""
    series = series_of(report.periods)
    return {"series": series[:SERIES_MAX], "left_out": len(series[SERIES_MAX:])}


def _view(
    visit: Visit,
    template: str,
    title: str,
    operation: Any,  # noqa: ANN401 -- one of the reports
    report: Any,  # noqa: ANN401 -- its answer
    **more: object,
) -> View:
    data = {
        **filters_of(operation, visit),
        "report": report,
        "conversion": getattr(report, "conversion", None),
        "reports": REPORTS,
        **more,
    }
    return View(template, title, data)


async def _cohorts(visit: Visit, query: CohortsPage) -> View:
    asked = query.given(*CohortsQuery.__struct_fields__)
    report = await visit.ask(GET_COHORTS, **asked)
    currencies = dict.fromkeys(one.currency for one in report.cohorts)
    data = {
        **filters_of(GET_COHORTS, visit),
        "report": report,
        "conversion": report.conversion,
        "left_out": 0,
        "maps": [
            (currency, retention(report, measure=query.measure, currency=currency))
            for currency in currencies
        ],
        "measure": query.measure,
        "reports": REPORTS,
    }
    return View("revenue/cohorts.html", "Retention", data)


REVENUE: Final[tuple[Page[Any], ...]] = (
    Page(path="/revenue/mrr", takes=MrrQuery, handle=_mrr, menu=Menu("Revenue", "MRR")),
    Page(path="/revenue/net", takes=NetQuery, handle=_net, menu=Menu("Revenue", "Net revenue")),
    Page(
        path="/revenue/cohorts",
        takes=CohortsPage,
        handle=_cohorts,
        menu=Menu("Revenue", "Retention"),
    ),
    Page(path="/revenue/trials", takes=TrialsQuery, handle=_trials, menu=Menu("Revenue", "Trials")),
)
"""The page of each report."""
REPORTS: Final = tuple((page.path, page.menu.label) for page in REVENUE if page.menu is not None)
"""Where each is, and what it is called."""
