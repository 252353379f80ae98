"""A period ends: it is renewed, or the charge fails and the money has to be collected."""

from __future__ import annotations

from collections.abc import Generator
from datetime import datetime, timedelta

from simulator.beginnings import renewed
from simulator.bodies import Payment, Subscription
from simulator.endings import cancelled
from simulator.life import Episode, Happening, Life, Story
from simulator.payments import is_declined, subscription_payment, succeeds_for_now
from simulator.periods import begin_period, price_cents
from simulator.side_bodies import DunningAttempt

GRACE_DAYS = 7

ENDS_OF_GRACE = {"recovered": 55, "held": 30, "cancelled": 15}
ENDS_OF_HOLD = {"recovered": 60, "cancelled": 25, "left as it is": 15}


def renewal(life: Life, subscription: Subscription) -> Story:
    """The next period is paid for."""
    due_at = subscription.next_billing_date
    payment = _renewal_payment(life, subscription, due_at)
    at = yield from succeeds_for_now(life, payment, life.after(due_at, 0, 120))
    begin_period(subscription, due_at)
    if life.chance(0.4):
        yield "subscription.updated", at, subscription
    yield from renewed(life, subscription, at, payment)


def failed_renewal(life: Life, subscription: Subscription) -> Story:
    """The next period cannot be charged: on hold, or past due where grace is given."""
    due_at = subscription.next_billing_date
    payment = _renewal_payment(life, subscription, due_at)
    at = yield from is_declined(life, payment, life.after(due_at, 0, 120))
    yield from (past_due if life.chance(0.45) else on_hold)(life, subscription, at)


def past_due(life: Life, subscription: Subscription, at: datetime) -> Story:
    """Days of grace, which end in a recovery, on hold, or cancelled."""
    subscription.status = "past_due"
    subscription.past_due_ends_at = ends_at = at + timedelta(days=GRACE_DAYS)
    yield "subscription.past_due", at, subscription
    dunning = yield from dunning_started(life, subscription, at)
    end = life.pick(ENDS_OF_GRACE)
    if end == "recovered":
        yield from recovery(life, subscription, life.days_after(at, 0.5, GRACE_DAYS - 1), dunning)
        return
    yield from fruitless_attempt(life, subscription, life.days_after(at, 1, GRACE_DAYS - 1))
    if end == "held":
        yield from on_hold(life, subscription, ends_at, dunning)
    else:
        yield from cancelled(life, subscription, ends_at)


def on_hold(
    life: Life, subscription: Subscription, at: datetime, dunning: DunningAttempt | None = None
) -> Story:
    """Nothing is delivered until the money comes; at times it never does."""
    subscription.status = "on_hold"
    subscription.past_due_ends_at = None
    yield "subscription.on_hold", at, subscription
    if dunning is None:
        dunning = yield from dunning_started(life, subscription, at)
    if life.chance(0.4):
        at = yield from fruitless_attempt(life, subscription, life.days_after(at, 1, 4))
    end = life.pick(ENDS_OF_HOLD)
    if end == "recovered":
        yield from recovery(life, subscription, life.days_after(at, 0.5, 20), dunning)
    elif end == "cancelled":
        yield from cancelled(life, subscription, life.days_after(at, 14, 30))


def dunning_started(
    life: Life, subscription: Subscription, at: datetime
) -> Generator[Happening, None, DunningAttempt]:
    """Dodo begins to collect the money."""
    dunning = DunningAttempt(
        brand_id=life.brand_id,
        created_at=at,
        customer_id=life.customer.customer_id,
        subscription_id=subscription.subscription_id,
        trigger_state=subscription.status,
    )
    yield "dunning.started", at, dunning
    return dunning


def fruitless_attempt(life: Life, subscription: Subscription, at: datetime) -> Episode:
    """Another attempt to charge, with a payment of its own, is declined too."""
    return (yield from is_declined(life, _renewal_payment(life, subscription, at, 1), at))


def recovery(
    life: Life, subscription: Subscription, at: datetime, dunning: DunningAttempt
) -> Story:
    """The money comes, at times by another card, and the subscription is active again."""
    if life.chance(0.4):
        subscription.payment_method_id = life.new_id("pm")
        yield "subscription.update_payment_method", at, subscription
        at = life.after(at, 1, 60)
    payment = _renewal_payment(life, subscription, at, 2)
    at = yield from succeeds_for_now(life, payment, at)
    subscription.status = "active"
    subscription.past_due_ends_at = subscription.paused_at = None
    begin_period(subscription, at)
    yield "subscription.active", at, subscription
    if life.chance(0.6):
        yield from renewed(life, subscription, at, payment)
    dunning.status = "recovered"
    dunning.payment_id = payment.payment_id
    yield "dunning.recovered", at, dunning


def _renewal_payment(
    life: Life, subscription: Subscription, at: datetime, retry_attempt: int = 0
) -> Payment:
    payment = subscription_payment(life, subscription, at, price_cents(subscription), "renewal")
    if retry_attempt:
        payment.retry_attempt = retry_attempt
    return payment
