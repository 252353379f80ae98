"""How a subscription ends: cancelled, or at the end of its term."""

from __future__ import annotations

from datetime import datetime

from simulator.bodies import Subscription
from simulator.life import Life, Story

FEEDBACK = {"too_expensive": 30, "unused": 30, "missing_features": 20, "other": 15, "moved_on": 5}
"""The last one stands for values that no schema lists yet."""


def cancelled(life: Life, subscription: Subscription, at: datetime) -> Story:
    """It is cancelled; at times `updated` says so too."""
    subscription.status = "cancelled"
    subscription.cancelled_at = at
    subscription.past_due_ends_at = None
    if life.chance(0.3):
        yield "subscription.updated", at, subscription
    yield "subscription.cancelled", at, subscription


def expiry(_life: Life, subscription: Subscription) -> Story:
    """The term ends with the period."""
    subscription.status = "expired"
    yield "subscription.expired", subscription.next_billing_date, subscription


def cancellation_asked(life: Life, subscription: Subscription, at: datetime) -> Story:
    """The customer wants no further period; until then it stays active."""
    subscription.cancel_at_next_billing_date = True
    subscription.cancellation_feedback = life.pick(FEEDBACK)
    yield "subscription.updated", at, subscription
