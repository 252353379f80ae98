"""Retention by cohort as a table in which the heat of a cell is its figure, from 0 to 10."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from console.drawing.labels import MONTHS, counted, day
from console.rendering.words import money

if TYPE_CHECKING:
    from api.answers.revenue import Cohort, CohortReport
    from domain.revenue.cohorts import Retained

HEATS: Final = 10
COLUMNS_MAX: Final = 25
"""So many periods after the beginning are shown: two years of months."""
ROWS_MAX: Final = 60
"""So many cohorts are shown, the last ones."""

Measure: TypeAlias = Literal["customers", "mrr"]


class Cell(NamedTuple):
    """What is left after some periods; `made_of` is the API's list of what that is."""

    text: str
    heat: int | None
    title: str
    made_of: str | None


class Row(NamedTuple):
    """One cohort, with how much it began with."""

    head: str
    size: str
    cells: tuple[Cell, ...]


class HeatMap(NamedTuple):
    """A table of cohorts by periods; `left_out` are sentences on what there was no space for."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[Row, ...]
    left_out: tuple[str, ...]


def retention(
    report: CohortReport, *, measure: Measure = "customers", currency: str | None = None
) -> HeatMap:
    """Draw what is left of the cohorts of one currency: of their customers, or of their MRR."""
    cohorts = [cohort for cohort in report.cohorts if cohort.currency == currency]
    shown = cohorts[-ROWS_MAX:]
    spans = max((len(cohort.retained) for cohort in shown), default=0)
    left_out = []
    if more := len(cohorts) - len(shown):
        left_out.append(f"{counted(more, 'earlier cohort')} left out")
    if spans > COLUMNS_MAX:
        left_out.append(f"What is left after more than {COLUMNS_MAX - 1} periods is left out")
    what = "customers" if measure == "customers" else "MRR"
    return HeatMap(
        caption=f"Retention of {what} by {report.period}{f', {currency}' if currency else ''}",
        heads=tuple(str(number) for number in range(min(spans, COLUMNS_MAX))),
        rows=tuple(_row(cohort, report.period, measure) for cohort in shown),
        left_out=tuple(left_out),
    )


def heat_of(share: float | None) -> int | None:
    """Return how hot a share is: 10 from the whole on, 0 at nothing, None where there is none."""
    if share is None:
        return None
    return min(HEATS, max(0, round(share * HEATS)))


def _row(cohort: Cohort, period: str, measure: Measure) -> Row:
    is_month = period == "month"
    head = (
        f"{MONTHS[cohort.start.month - 1]} {cohort.start.year}" if is_month else day(cohort.start)
    )
    size = counted(cohort.customers, "customer")
    if measure == "mrr":
        size = money(cohort.mrr, cohort.currency)
    cells = (_cell(cohort, one, measure) for one in cohort.retained[:COLUMNS_MAX])
    return Row(head, size, tuple(cells))


def _cell(cohort: Cohort, left: Retained, measure: Measure) -> Cell:
    share = left.customer_retention if measure == "customers" else left.mrr_retention
    amount = money(left.mrr, cohort.currency)
    title = f"{left.customers} of {counted(cohort.customers, 'customer')}"
    return Cell(
        text="–" if share is None else f"{percent(share)} %",
        heat=heat_of(share),
        title=f"{title}, {amount}" if amount else title,
        made_of=left.made_of,
    )


def percent(share: float) -> str:
    """Write a share in percent; what is not the whole, or nothing, is not rounded to it."""
    rounded = round(share * 100)
    if rounded == 100 and share < 1:
        return "99"
    if rounded == 0 and share > 0:
        return "<1"
    return str(rounded)
