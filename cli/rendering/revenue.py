"""Revenue as tables, with a small picture of each currency."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from cli.rendering.pages import past_of
from cli.rendering.tables import show_line, show_table
from cli.rendering.words import NOTHING, moment, money
from domain.money import decimal_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from rich.console import Console

    from api.answers.revenue import (
        Cohort,
        CohortReport,
        Conversion,
        EarningSubscription,
        ListedMovement,
        ListedTaking,
        ListedTrial,
        MrrReport,
        NetReport,
        TrialReport,
    )
    from api.http.pagination import Page
    from api.http.questions import Past
    from domain.revenue.mrr import Counted, Moved, MrrFigures
    from domain.revenue.net import NetFigures

_BARS: Final = "▁▂▃▄▅▆▇█"
_SHADES: Final = " ░▒▓█"
_MADE_OF: Final = (
    "period",
    "ARR",
    "customers",
    "subscriptions",
    "in trial",
    "average",
    "customer churn",
    "gross MRR churn",
    "net MRR churn",
)


def sparkline(values: Sequence[int]) -> str:
    """Draw values as bars of eight heights, from the least to the greatest, or to nothing."""
    least, greatest = min([0, *values]), max([0, *values])
    if least == greatest:
        return _BARS[0] * len(values)
    heights = ((value - least) * (len(_BARS) - 1) for value in values)
    return "".join(_BARS[height // (greatest - least)] for height in heights)


def show_mrr(console: Console, report: MrrReport, query: Past) -> None:
    """Print a report of MRR: what moved it, then the figures made of that."""
    _head(console, "MRR", report.at, query, report.conversion)
    series: dict[tuple[str | None, str | None], list[tuple[str, MrrFigures]]] = defaultdict(list)
    for period in report.periods:
        for one in period.figures:
            name = _period(period.start, period.end, complete=period.complete)
            series[one.currency, one.product_id].append((name, one))
    for (currency, product_id), told in series.items():
        picture = sparkline([one.end for _, one in told])
        show_line(console)
        show_line(console, f"{_series(currency, product_id)}  {picture}")
        heads = "period", "start", "new", "expansion", "contraction", "churn", "reactivation", "end"
        show_table(console, heads, [(name, *_moved(one)) for name, one in told])
        show_table(console, _MADE_OF, [(name, *_made_of(one)) for name, one in told])
    _definitions(console, report.definitions if series else {})


def _moved(one: MrrFigures) -> Iterable[str]:
    def written(amount: int) -> str:
        return _amount(amount, one.currency)

    def moved(what: Moved) -> str:
        return f"{written(what.amount)} ({what.count})" if what.count else NOTHING

    yield written(one.start)
    yield from map(moved, (one.new, one.expansion, one.contraction, one.churn, one.reactivation))
    yield written(one.end)


def _made_of(one: MrrFigures) -> Iterable[str]:
    yield _amount(one.arr, one.currency)
    yield _counted(one.customers)
    yield f"{_counted(one.active_subscriptions)}, paying {one.paying_subscriptions.end}"
    yield str(one.trials.end)
    average = one.average_revenue
    yield NOTHING if average is None else _amount(average, one.currency)
    yield from map(
        _rate, (one.customer_churn_rate, one.gross_mrr_churn_rate, one.net_mrr_churn_rate)
    )


def show_movements(console: Console, page: Page[ListedMovement], query: Past) -> None:
    """Print a page of movements."""
    rows = [
        (
            moment(one.at),
            one.kind,
            money(one.amount, one.currency),
            one.product_id or "",
            one.customer_id or "",
            ", ".join(one.subscription_ids),
        )
        for one in page.items
    ]
    heads = "at (UTC)", "movement", "MRR", "product", "customer", "subscriptions"
    _show_page(console, heads, rows, page.next, query)


def show_earning(console: Console, page: Page[EarningSubscription], query: Past) -> None:
    """Print a page of what MRR stands on."""
    rows = [
        (
            one.subscription_id,
            one.customer_id or "",
            one.product_id or "",
            money(one.mrr, one.currency or "") if one.uncounted is None else "",
            money(one.arr, one.currency or "") if one.uncounted is None else "",
            one.uncounted or "",
            moment(one.since),
        )
        for one in page.items
    ]
    heads = "subscription", "customer", "product", "MRR", "ARR", "not counted", "since (UTC)"
    _show_page(console, heads, rows, page.next, query)


def show_cohorts(console: Console, report: CohortReport, query: Past) -> None:
    """Print a heat map for each currency: the share of MRR, and of customers, that is left."""
    _head(console, "Retention", report.at, query, report.conversion)
    by_currency: dict[str | None, list[Cohort]] = defaultdict(list)
    for cohort in report.cohorts:
        by_currency[cohort.currency].append(cohort)
    for currency, cohorts in by_currency.items():
        columns = max(len(one.retained) for one in cohorts)
        for what in ("mrr_retention", "customer_retention"):
            show_line(console)
            show_line(console, f"{_series(currency, None)}  {what.replace('_', ' ')}")
            rows = []
            for one in cohorts:
                cells = [_shaded(getattr(left, what)) for left in one.retained]
                cells += [""] * (columns - len(cells))
                first = _period(one.start, one.end, complete=True)
                rows.append((first, str(one.customers), _amount(one.mrr, currency), *cells))
            show_table(console, ("began", "customers", "MRR", *map(str, range(columns))), rows)
    _definitions(console, report.definitions if report.cohorts else {})


def _shaded(share: float | None) -> str:
    if share is None:
        return NOTHING
    return f"{_SHADES[min(int(share * 4), 4)]}{share:.0%}"


def show_trials(console: Console, report: TrialReport, query: Past) -> None:
    """Print what became of trials."""
    _head(console, "Trials", report.at, query, None)
    rows = [
        (
            _period(period.start, period.end, complete=period.complete),
            _series(one.currency, one.product_id),
            *map(str, (one.started, one.converted, one.ended, one.running)),
            _rate(one.conversion_rate),
        )
        for period in report.periods
        for one in period.figures
    ]
    heads = "began", "", "started", "converted", "ended", "running", "conversion"
    show_table(console, heads, rows)
    _definitions(console, report.definitions if rows else {})


def show_trial_list(console: Console, page: Page[ListedTrial], query: Past) -> None:
    """Print a page of trials."""
    rows = [
        (
            one.subscription_id,
            one.customer_id or "",
            one.product_id or "",
            moment(one.started_at),
            "" if one.ended_at is None else moment(one.ended_at),
            one.outcome,
        )
        for one in page.items
    ]
    heads = "subscription", "customer", "product", "began (UTC)", "ended (UTC)", "outcome"
    _show_page(console, heads, rows, page.next, query)


def show_net(console: Console, report: NetReport, query: Past) -> None:
    """Print what payments brought."""
    _head(console, "Net revenue", report.at, query, None)
    series: dict[str | None, list[tuple[str, NetFigures]]] = defaultdict(list)
    for period in report.periods:
        for one in period.figures:
            name = _period(period.start, period.end, complete=period.complete)
            series[one.currency].append((name, one))
    for currency, told in series.items():
        show_line(console)
        picture = sparkline([one.net for _, one in told])
        named = f"settled in {currency}" if currency else "never settled, as far as is known"
        show_line(console, f"{named}  {picture}")
        heads = "period", "payments", "gross", "tax", "refunds", "disputes lost", "net", "failed"
        show_table(console, (*heads, "recovered"), [(name, *_net(one)) for name, one in told])
    _definitions(console, report.definitions if series else {})


def _net(one: NetFigures) -> Iterable[str]:
    currency = one.currency
    yield str(one.payments.count)
    yield _amount(one.payments.gross, currency)
    yield _amount(one.payments.tax, currency)
    for taken in (one.refunds, one.disputes_lost):
        yield f"{_amount(taken.gross, currency)} ({taken.count})" if taken.count else NOTHING
    yield _amount(one.net, currency)
    yield str(one.failed.count)
    yield f"{one.failed.recovered} ({_rate(one.failed.recovery_rate)})"


def show_takings(console: Console, page: Page[ListedTaking], query: Past) -> None:
    """Print a page of what net revenue is made of."""
    rows = [
        (
            moment(one.at),
            one.kind.replace("_", " "),
            one.id,
            money(one.amount, one.currency),
            money(one.gross, one.settlement_currency),
            money(one.tax, one.settlement_currency),
            money(one.net, one.settlement_currency),
            "recovered" if one.recovered else "",
        )
        for one in page.items
    ]
    heads = "at (UTC)", "what", "id", "amount", "settled", "tax in it", "net", ""
    _show_page(console, heads, rows, page.next, query)


def _show_page(
    console: Console,
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    following: str | None,
    query: Past,
) -> None:
    if which := past_of(query):
        show_line(console, which.removeprefix(", "))
    show_table(console, heads, rows)
    if following is not None:
        show_line(console, f"There are more: --cursor {following}")


def _head(
    console: Console, what: str, at: object, query: Past, conversion: Conversion | None
) -> None:
    converted = ""
    if conversion is not None:
        rates = ", ".join(f"{name} {rate}" for name, rate in conversion.rates.items())
        converted = f", converted into {conversion.into} by your rates ({rates})"
    show_line(console, f"{what} at {at:%Y-%m-%d %H:%M:%S} (UTC){past_of(query)}{converted}")


def _definitions(console: Console, definitions: Mapping[str, str]) -> None:
    if definitions:
        show_line(console)
    for name, text in definitions.items():
        show_line(console, f"{name.replace('_', ' ')}: {text}")


def _period(start: date, end: date, *, complete: bool) -> str:
    name = f"{start}"
    if start.day == 1 and (end - start).days > 6:
        name = f"{start:%Y-%m}"
    return name if complete else f"{name} so far"


def _series(currency: str | None, product_id: str | None) -> str:
    return " ".join(filter(None, (currency or "no currency", product_id)))


def _amount(amount_minor: int, currency: str | None) -> str:
    return decimal_text(amount_minor, currency or "")


def _counted(counted: Counted) -> str:
    return f"{counted.start} → {counted.end}"


def _rate(rate: float | None) -> str:
    return NOTHING if rate is None else f"{rate:.1%}"
