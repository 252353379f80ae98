"""What happens within a billing period, and how the period ends then."""

from __future__ import annotations

from simulator.bodies import Subscription
from simulator.catalogue import MONTHLY, PLAN_BY_ID, Plan
from simulator.endings import cancellation_asked, cancelled
from simulator.life import Life, Story
from simulator.payments import is_declined, subscription_payment, succeeds, succeeds_for_now
from simulator.periods import moment_within
from simulator.renewals import on_hold, renewal

LEAST_CHARGE_CENTS = 100


def plan_change(life: Life, subscription: Subscription) -> Story:
    """Another plan and a charge for it; a failed charge puts on hold, or changes nothing."""
    others = [plan for plan in MONTHLY if plan.product_id != subscription.product_id]
    if len(others) == len(MONTHLY):
        yield from renewal(life, subscription)
        return
    at, plan = moment_within(life, subscription), life.rng.choice(others)
    difference = plan.price_cents - PLAN_BY_ID[subscription.product_id].price_cents
    charge_cents = max(LEAST_CHARGE_CENTS, difference * subscription.quantity)
    payment = subscription_payment(life, subscription, at, charge_cents, "plan_change")
    if life.chance(0.25):
        at = yield from is_declined(life, payment, at)
        if life.chance(0.5):
            yield from on_hold(life, subscription, at)
    else:
        at = yield from succeeds_for_now(life, payment, at)
        move(life, subscription, plan)
        yield "subscription.plan_changed", at, subscription
        yield "subscription.updated", at, subscription
    if subscription.status == "active":
        yield from renewal(life, subscription)


def move(life: Life, subscription: Subscription, plan: Plan) -> None:
    """The subscription is to another plan now."""
    subscription.product_id = plan.product_id
    subscription.recurring_pre_tax_amount = life.priced_in.amount_minor(
        plan.price_cents * subscription.quantity
    )


def cancellation_at_period_end(life: Life, subscription: Subscription) -> Story:
    """It is asked for within the period, and comes with its end."""
    yield from cancellation_asked(life, subscription, moment_within(life, subscription))
    yield from cancelled(life, subscription, subscription.next_billing_date)


def change_of_mind(life: Life, subscription: Subscription) -> Story:
    """The end is asked for, but taken back before it comes."""
    asked_at = moment_within(life, subscription, 0.05, 0.5)
    yield from cancellation_asked(life, subscription, asked_at)
    undone_at = moment_within(life, subscription, 0.55, 0.9)
    subscription.cancel_at_next_billing_date = False
    subscription.cancellation_feedback = None
    yield "subscription.updated", undone_at, subscription
    yield from renewal(life, subscription)


def immediate_cancellation(life: Life, subscription: Subscription) -> Story:
    """It ends at once, within the period."""
    yield from cancelled(life, subscription, moment_within(life, subscription))


def pause(life: Life, subscription: Subscription) -> Story:
    """Nothing is charged for a while; then it goes on, or ends, or the first charge fails."""
    at = moment_within(life, subscription)
    subscription.status = "paused"
    subscription.paused_at = at
    yield "subscription.paused", at, subscription
    back_at = life.days_after(at, 5, 60)
    if life.chance(0.12):
        yield from cancelled(life, subscription, back_at)
    elif life.chance(0.12):
        payment = subscription_payment(life, subscription, back_at, LEAST_CHARGE_CENTS, "renewal")
        back_at = yield from is_declined(life, payment, back_at)
        yield from on_hold(life, subscription, back_at)
    else:
        subscription.status = "active"
        subscription.paused_at = None
        subscription.next_billing_date += back_at - at
        if subscription.expires_at is not None:
            subscription.expires_at += back_at - at
        yield "subscription.unpaused", back_at, subscription
        yield from renewal(life, subscription)


def new_payment_method(life: Life, subscription: Subscription) -> Story:
    """Another card, tried with a payment of nothing."""
    at = moment_within(life, subscription)
    payment = subscription_payment(life, subscription, at, 0, None)
    payment.is_update_payment_method = True
    at = yield from succeeds(life, payment, at)
    subscription.payment_method_id = payment.payment_method_id = life.new_id("pm")
    yield "subscription.update_payment_method", at, subscription
    yield from renewal(life, subscription)


def new_details(life: Life, subscription: Subscription) -> Story:
    """Something is edited that changes no state."""
    note = f"changed {life.rng.randrange(1000)}"
    subscription.metadata = {**subscription.metadata, "note": note}
    yield "subscription.updated", moment_within(life, subscription), subscription
    yield from renewal(life, subscription)
