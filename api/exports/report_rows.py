"""The rows of reports: a figure each, with all that a report says of it by where it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple

import msgspec

from api.answers.revenue import (
    CohortReport,
    Conversion,
    MrrReport,
    NetReport,
    TrialFigures,
    TrialReport,
)
from api.resources.workflows import RouteNow, Routes
from domain.revenue.cohorts import Retained
from domain.revenue.mrr import MrrFigures
from domain.revenue.net import NetFigures


class MrrRow(msgspec.Struct, frozen=True):
    """The figures of one period and series."""

    at: datetime
    period: str
    by: str
    conversion: Conversion | None
    start: date
    end: date
    complete: bool
    figures: MrrFigures


class TrialRow(msgspec.Struct, frozen=True):
    """The trials of one period and series."""

    at: datetime
    period: str
    by: str
    start: date
    end: date
    complete: bool
    figures: TrialFigures


class NetRow(msgspec.Struct, frozen=True):
    """What one period brought in one currency."""

    at: datetime
    period: str
    start: date
    end: date
    complete: bool
    figures: NetFigures


class CohortRow(msgspec.Struct, frozen=True):
    """What is left, in one period, of the customers who began in another."""

    at: datetime
    period: str
    conversion: Conversion | None
    start: date
    end: date
    currency: str | None
    customers: int
    mrr: int
    retained: Retained


class Rows(NamedTuple):
    """What the rows of an answer are, and how they are taken from it."""

    row: type[msgspec.Struct]
    of: Callable[[Any], Sequence[msgspec.Struct]]


def _of_mrr(report: MrrReport) -> list[MrrRow]:
    said = report.at, report.period, report.by, report.conversion
    return [
        MrrRow(*said, one.start, one.end, one.complete, figures)
        for one in report.periods
        for figures in one.figures
    ]


def _of_trials(report: TrialReport) -> list[TrialRow]:
    return [
        TrialRow(report.at, report.period, report.by, one.start, one.end, one.complete, figures)
        for one in report.periods
        for figures in one.figures
    ]


def _of_net(report: NetReport) -> list[NetRow]:
    return [
        NetRow(report.at, report.period, one.start, one.end, one.complete, figures)
        for one in report.periods
        for figures in one.figures
    ]


def _of_cohorts(report: CohortReport) -> list[CohortRow]:
    said = report.at, report.period, report.conversion
    return [
        CohortRow(*said, one.start, one.end, one.currency, one.customers, one.mrr, retained)
        for one in report.cohorts
        for retained in one.retained
    ]


def _of_routes(routes: Routes) -> list[RouteNow]:
    return routes.items


ROWS_OF: Final[Mapping[type, Rows]] = {
    MrrReport: Rows(MrrRow, _of_mrr),
    TrialReport: Rows(TrialRow, _of_trials),
    NetReport: Rows(NetRow, _of_net),
    CohortReport: Rows(CohortRow, _of_cohorts),
    Routes: Rows(RouteNow, _of_routes),
}
"""By what an operation answers, where that is no page of a list. Definitions are no rows."""
