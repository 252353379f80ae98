"""The calendar of a subscription: its billing periods and its term."""

from __future__ import annotations

from calendar import monthrange
from datetime import datetime

from simulator.bodies import Subscription
from simulator.catalogue import PLAN_BY_ID
from simulator.life import Life

MONTHS = {"month": 1, "year": 12}


def plus_months(at: datetime, months: int) -> datetime:
    """The same day so many months later, or the last of that month where it is shorter."""
    year, month = divmod(at.year * 12 + at.month - 1 + months, 12)
    day = min(at.day, monthrange(year, month + 1)[1])
    return at.replace(year=year, month=month + 1, day=day)


def begin_period(subscription: Subscription, at: datetime) -> None:
    """Let a new billing period begin at this moment."""
    months = MONTHS[subscription.payment_frequency_interval.lower()]
    subscription.previous_billing_date = at
    subscription.next_billing_date = plus_months(at, months)


def moment_within(
    life: Life, subscription: Subscription, earliest: float = 0.05, latest: float = 0.9
) -> datetime:
    """A moment within the billing period; the bounds are shares of the period."""
    begun_at = subscription.previous_billing_date
    share = life.rng.uniform(earliest, latest)
    return begun_at + share * (subscription.next_billing_date - begun_at)


def is_last(subscription: Subscription) -> bool:
    """Whether the term ends with this billing period."""
    expires_at = subscription.expires_at
    return expires_at is not None and subscription.next_billing_date >= expires_at


def price_cents(subscription: Subscription) -> int:
    """What a period costs, in US cents."""
    return PLAN_BY_ID[subscription.product_id].price_cents * subscription.quantity
