"""How a subscription begins: with a purchase, with a trial, or with a mandate that fails."""

from __future__ import annotations

from collections.abc import Callable, Generator
from datetime import datetime, timedelta

from simulator.bodies import Payment, Subscription
from simulator.catalogue import PLAN_BY_ID, PLANS
from simulator.life import Happening, Life, Story
from simulator.payments import is_declined, subscription_payment, succeeds_for_now
from simulator.periods import begin_period, plus_months, price_cents
from simulator.purchases import licence
from simulator.side_bodies import EntitlementGrant

Beginning = Callable[[Life, Subscription], Story]


Begun = tuple[Subscription, EntitlementGrant | None]


def begun(life: Life, at: datetime) -> Generator[Happening, None, Begun]:
    """A subscription begins, and is returned as it stands then, with what it grants."""
    subscription = new_subscription(life, at)
    yield from life.pick(BEGINNINGS)(life, subscription)
    if subscription.status == "active" and PLAN_BY_ID[subscription.product_id].licensed:
        at = life.after(subscription.previous_billing_date, 1, 30)
        return subscription, (
            yield from licence(life, at, subscription.product_id, None, subscription)
        )
    return subscription, None


def new_subscription(life: Life, at: datetime) -> Subscription:
    """A subscription that waits for its mandate."""
    plan = life.pick(PLANS)
    quantity = 1 if life.chance(0.9) else life.rng.randint(2, 10)
    interval = plan.interval.lower() if life.chance(0.1) else plan.interval
    years, months = divmod(plan.term_months, 12)
    subscription = Subscription(
        subscription_id=life.new_id("sub"),
        brand_id=life.brand_id,
        customer=life.customer,
        billing=life.billing,
        status="pending",
        created_at=at,
        previous_billing_date=at,
        next_billing_date=at,
        expires_at=None if months == 0 and life.chance(0.3) else plus_months(at, plan.term_months),
        trial_period_days=0,
        product_id=plan.product_id,
        quantity=quantity,
        currency=life.priced_in.code,
        recurring_pre_tax_amount=life.priced_in.amount_minor(plan.price_cents * quantity),
        payment_frequency_interval=interval,
        subscription_period_count=months or years,
        subscription_period_interval="Month" if months else "Year",
        payment_method_id=life.new_id("pm"),
        addons=[],
        meters=[],
        credit_entitlement_cart=[],
        meter_credit_entitlement_cart=[],
        metadata=life.purchase_metadata(),
    )
    return life.as_released(subscription)


def first_purchase(life: Life, subscription: Subscription) -> Story:
    """The burst: four webhooks about one purchase, all with one timestamp."""
    at = subscription.created_at
    payment = subscription_payment(life, subscription, at, price_cents(subscription), "new")
    payment.checkout_session_id = life.new_id("cks")
    at = yield from succeeds_for_now(life, payment, at)
    subscription.status = "active"
    begin_period(subscription, at)
    yield "subscription.active", at, subscription
    yield from renewed(life, subscription, at, payment)
    yield "subscription.updated", at, subscription


def trial(life: Life, subscription: Subscription) -> Story:
    """The mandate is given, at times with a payment of nothing; the first charge comes later."""
    at = subscription.created_at
    days = PLAN_BY_ID[subscription.product_id].trial_days or 7
    if life.chance(0.3):
        payment = subscription_payment(life, subscription, at, 0, "new")
        at = yield from succeeds_for_now(life, payment, at)
    subscription.status = "active"
    subscription.trial_period_days = days
    subscription.previous_billing_date = at
    subscription.next_billing_date = at + timedelta(days=days)
    yield "subscription.active", at, subscription


def failed_mandate(life: Life, subscription: Subscription) -> Story:
    """The mandate cannot be made, so the subscription never lives."""
    at = subscription.created_at
    if life.chance(0.7):
        payment = subscription_payment(life, subscription, at, price_cents(subscription), "new")
        at = yield from is_declined(life, payment, at)
    subscription.status = "failed"
    yield "subscription.failed", at, subscription


def renewed(life: Life, subscription: Subscription, at: datetime, payment: Payment) -> Story:
    """A charge went through; at times the webhook says which."""
    without = subscription.payment_id
    if life.chance(0.6):
        subscription.payment_id = payment.payment_id
    yield "subscription.renewed", at, subscription
    subscription.payment_id = without


BEGINNINGS: dict[Beginning, float] = {first_purchase: 64, trial: 29, failed_mandate: 7}
