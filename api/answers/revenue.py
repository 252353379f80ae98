"""Revenue: reports by period, and the lists of what their figures are made of."""

from __future__ import annotations

from datetime import date, datetime

import msgspec

from domain.revenue.cohorts import Retained
from domain.revenue.mrr import MrrFigures
from domain.revenue.net import NetFigures


class Conversion(msgspec.Struct, frozen=True):
    """By which table amounts were converted: how much of `into` one unit of each currency is.

    Currencies that the table lacks are told as they are.
    """

    into: str
    rates: dict[str, str]


class MrrPeriod(msgspec.Struct, frozen=True):
    """The figures of one day, week or month; `complete` once it has ended."""

    start: date
    end: date
    complete: bool
    figures: list[MrrFigures]


class MrrReport(msgspec.Struct, frozen=True):
    """MRR by period, as of `at`; what is told `by`. `definitions` say how each is computed."""

    at: datetime
    period: str
    by: str
    conversion: Conversion | None
    periods: list[MrrPeriod]
    definitions: dict[str, str]


class ListedMovement(msgspec.Struct, frozen=True):
    """A movement of a customer's MRR; `amount` in minor units, negative where it takes.

    `subscription_ids` are those that changed. `product_id` is told in a list by product.
    """

    at: datetime
    kind: str
    amount: int
    currency: str | None
    product_id: str | None
    business_id: str
    customer_id: str | None
    subscription_ids: list[str]


class EarningSubscription(msgspec.Struct, frozen=True):
    """What an active subscription earns since `since`: `mrr` a month and `arr` a year.

    `uncounted` tells why that is nothing: its trial, that it is charged on_demand, that its price
    cannot be understood (unpriced), or is nothing (free).
    """

    subscription_id: str
    business_id: str
    customer_id: str | None
    product_id: str | None
    currency: str | None
    mrr: int
    arr: int
    uncounted: str | None
    since: datetime


class Cohort(msgspec.Struct, frozen=True):
    """The customers who began in one period, in one currency, and what is left of them."""

    start: date
    end: date
    currency: str | None
    customers: int
    mrr: int
    retained: list[Retained]


class CohortReport(msgspec.Struct, frozen=True):
    """Retention by cohort, as of `at`: rows of a heat map."""

    at: datetime
    period: str
    conversion: Conversion | None
    cohorts: list[Cohort]
    definitions: dict[str, str]


class TrialFigures(msgspec.Struct, frozen=True):
    """What became of the trials that began in one period; `made_of` lists them."""

    currency: str | None
    product_id: str | None
    started: int
    converted: int
    ended: int
    running: int
    conversion_rate: float | None
    made_of: str


class TrialPeriod(msgspec.Struct, frozen=True):
    """The trials that began in one day, week or month; `complete` once it has ended."""

    start: date
    end: date
    complete: bool
    figures: list[TrialFigures]


class TrialReport(msgspec.Struct, frozen=True):
    """Trials by the period in which they began, as of `at`."""

    at: datetime
    period: str
    by: str
    periods: list[TrialPeriod]
    definitions: dict[str, str]


class ListedTrial(msgspec.Struct, frozen=True):
    """A subscription's trial; `ended_at` is when it was charged, or ended otherwise."""

    subscription_id: str
    business_id: str
    customer_id: str | None
    currency: str | None
    product_id: str | None
    started_at: datetime
    ended_at: datetime | None
    outcome: str


class NetPeriod(msgspec.Struct, frozen=True):
    """What payments brought in one day, week or month; `complete` once it has ended."""

    start: date
    end: date
    complete: bool
    figures: list[NetFigures]


class NetReport(msgspec.Struct, frozen=True):
    """What payments brought by period, as of `at`."""

    at: datetime
    period: str
    periods: list[NetPeriod]
    definitions: dict[str, str]


class ListedTaking(msgspec.Struct, frozen=True):
    """A payment, a failure, a refund, or what a dispute came to, and from when on it counts.

    `amount` is in minor units of `currency`; `gross`, with `tax` in it, of `settlement_currency`,
    null where that is not known; `net` is what it adds to net revenue.
    """

    at: datetime
    kind: str
    id: str
    business_id: str
    customer_id: str | None
    payment_id: str | None
    subscription_id: str | None
    currency: str | None
    amount: int | None
    settlement_currency: str | None
    gross: int | None
    tax: int | None
    net: int | None
    recovered: bool
