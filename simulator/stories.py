"""What happens to a customer over time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from simulator.beginnings import begun
from simulator.bodies import Subscription
from simulator.catalogue import PLAN_BY_ID
from simulator.changes import (
    cancellation_at_period_end,
    change_of_mind,
    immediate_cancellation,
    new_details,
    new_payment_method,
    pause,
    plan_change,
)
from simulator.credits import credits_of_period
from simulator.endings import expiry
from simulator.grants import following
from simulator.life import Life, Story, to_its_end
from simulator.periods import is_last
from simulator.purchases import purchase
from simulator.renewals import failed_renewal, renewal

Period = Callable[[Life, Subscription], Story]

PERIODS: dict[Period, float] = {
    renewal: 64,
    failed_renewal: 10,
    plan_change: 6,
    cancellation_at_period_end: 4,
    immediate_cancellation: 3,
    change_of_mind: 3,
    pause: 4,
    new_payment_method: 3,
    new_details: 3,
}
"""What a billing period may bring. Each leads to the next period, or to the end."""


def subscriber(life: Life, at: datetime) -> Story:
    """A subscription, period by period to its end; at times the customer comes back later."""
    while True:
        subscription, grant = yield from begun(life, at)
        while subscription.status == "active":
            if PLAN_BY_ID[subscription.product_id].credits:
                life.asides.append(credits_of_period(life, subscription))
            period = expiry if is_last(subscription) else life.pick(PERIODS)
            story = period(life, subscription)
            at = yield from to_its_end(following(grant, story) if grant else story, at)
        if life.chance(0.75):
            return
        at = life.days_after(max(at, subscription.next_billing_date), 5, 90)


def buyer(life: Life, at: datetime) -> Story:
    """Some purchases, with days or months between them."""
    for _ in range(life.rng.randint(1, 4)):
        at = yield from purchase(life, at)
        at = life.days_after(at, 3, 90)


def subscriber_and_buyer(life: Life, at: datetime) -> Story:
    """Both, side by side."""
    life.asides.append(buyer(life, life.days_after(at, 1, 60)))
    return subscriber(life, at)


CUSTOMERS: dict[Callable[[Life, datetime], Story], float] = {
    subscriber: 68,
    buyer: 18,
    subscriber_and_buyer: 14,
}


def customer(life: Life, at: datetime) -> Story:
    """All that a customer's main story brings, from their first visit on."""
    return life.pick(CUSTOMERS)(life, at)
