"""Revenue: reports by period, and the lists of what their figures are made of."""

from __future__ import annotations

from datetime import date, datetime

import msgspec

from domain.revenue.mrr import MrrFigures


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
