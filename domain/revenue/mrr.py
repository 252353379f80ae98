"""MRR by periods: where it stood, what moved it, where it stands, and the figures made of that."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from domain.revenue.price import rounded
from domain.revenue.recurring import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_DIGITS: Final = 6


class Sums(NamedTuple):
    """What changed of one currency, and product, within one period.

    `span` counts from 1; 0 is all that was before. `kind` is the movement that `monthly` and
    `movements` are of; without one they are of none, and count for nothing.
    """

    currency: str | None
    product_id: str | None
    span: int
    kind: str | None
    monthly: int
    yearly: int
    movements: int
    customers: int
    paying: int
    active: int
    trials: int


class Moved(msgspec.Struct, frozen=True):
    """What movements of one kind add to MRR, in minor units: negative where they take; how many."""

    amount: int
    count: int


class Counted(msgspec.Struct, frozen=True):
    """How many there were when a period began, and when it ended."""

    start: int
    end: int


class MadeOf(msgspec.Struct, frozen=True):
    """Where the figures lead: requests that list what they are made of."""

    end: str
    movements: str


class MrrFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one currency, and product, in one period; amounts in minor units.

    `start` and the five movements add up to `end`. `product_id` is null in a report by currency,
    and where a subscription's product is not known. How each is computed, `definitions` says.
    """

    currency: str | None
    product_id: str | None
    start: int
    new: Moved
    expansion: Moved
    contraction: Moved
    churn: Moved
    reactivation: Moved
    end: int
    arr: int
    customers: Counted
    paying_subscriptions: Counted
    active_subscriptions: Counted
    trials: Counted
    average_revenue: int | None
    customer_churn_rate: float | None
    gross_mrr_churn_rate: float | None
    net_mrr_churn_rate: float | None
    made_of: MadeOf | None = None


class _Standing(NamedTuple):
    """What stands at an instant."""

    monthly: int = 0
    yearly: int = 0
    customers: int = 0
    paying: int = 0
    active: int = 0
    trials: int = 0

    def and_then(self, sums: Iterable[Sums]) -> _Standing:
        monthly, yearly, customers, paying, active, trials = self
        for one in sums:
            monthly += one.monthly if one.kind else 0
            yearly += one.yearly
            customers += one.customers
            paying += one.paying
            active += one.active
            trials += one.trials
        return _Standing(monthly, yearly, customers, paying, active, trials)


def figures(sums: Iterable[Sums], spans: int) -> list[list[MrrFigures]]:
    """Return, for each of so many periods, the figures by currency and product.

    What has been nothing from the first period's beginning on is left out.
    """
    by_series: dict[tuple[str | None, str | None], list[list[Sums]]] = defaultdict(
        lambda: [[] for _ in range(spans + 1)]
    )
    for one in sums:
        by_series[one.currency, one.product_id][one.span].append(one)
    in_order = sorted(by_series, key=lambda one: tuple((part is None, part or "") for part in one))
    found: list[list[MrrFigures]] = [[] for _ in range(spans)]
    for series in in_order:
        earlier, *later = by_series[series]
        stood = _Standing().and_then(earlier)
        if not any(stood) and not any(later):
            continue
        for told, within in zip(found, later, strict=True):
            stands = stood.and_then(within)
            told.append(_figures(series, stood, stands, within))
            stood = stands
    return found


def _figures(
    series: tuple[str | None, str | None],
    stood: _Standing,
    stands: _Standing,
    within: Sequence[Sums],
) -> MrrFigures:
    moved = _moved(within)
    lost = -moved["churn"].amount - moved["contraction"].amount
    gained = moved["expansion"].amount + moved["reactivation"].amount
    return MrrFigures(
        currency=series[0],
        product_id=series[1],
        start=stood.monthly,
        new=moved["new"],
        expansion=moved["expansion"],
        contraction=moved["contraction"],
        churn=moved["churn"],
        reactivation=moved["reactivation"],
        end=stands.monthly,
        arr=stands.yearly,
        customers=Counted(stood.customers, stands.customers),
        paying_subscriptions=Counted(stood.paying, stands.paying),
        active_subscriptions=Counted(stood.active, stands.active),
        trials=Counted(stood.trials, stands.trials),
        average_revenue=rounded(stands.monthly, stands.customers) if stands.customers > 0 else None,
        customer_churn_rate=rate(moved["churn"].count, stood.customers),
        gross_mrr_churn_rate=rate(lost, stood.monthly),
        net_mrr_churn_rate=rate(lost - gained, stood.monthly),
    )


def _moved(within: Iterable[Sums]) -> dict[str, Moved]:
    amounts, counts = dict.fromkeys(KINDS, 0), dict.fromkeys(KINDS, 0)
    for one in within:
        if one.kind in amounts:
            amounts[one.kind] += one.monthly
            counts[one.kind] += one.movements
    return {kind: Moved(amounts[kind], counts[kind]) for kind in KINDS}


def rate(part: int, whole: int) -> float | None:
    """Return a part of a whole, to six digits behind the point; None where the whole is nothing."""
    return round(part / whole, _DIGITS) if whole > 0 else None
