"""One-time purchases, the licence keys that come with them, and checkouts that are left."""

from __future__ import annotations

from collections.abc import Generator
from datetime import datetime

from simulator.bodies import LicenseKey, Payment, Subscription
from simulator.catalogue import GOODS, Good
from simulator.life import Episode, Happening, Life, Story
from simulator.payments import (
    is_declined,
    is_given_up,
    purchase_payment,
    succeeds,
    succeeds_for_now,
)
from simulator.refunds import full_refund
from simulator.side_bodies import AbandonedCheckout, EntitlementGrant, GrantedKey

ACTIVATIONS_LIMIT = {None: 30, 1: 30, 5: 40}


def purchase(life: Life, at: datetime) -> Episode:
    """Something is bought once, or nearly."""
    good = life.pick(GOODS)
    payment = purchase_payment(life, at, good.product_id, good.price_cents)
    if life.chance(0.1):
        return (yield from abandoned_checkout(life, payment, good, at))
    if life.chance(0.12):
        at = yield from is_declined(life, payment, at)
        if life.chance(0.3):
            return at
        at = life.after(at, 30, 600)
    return (yield from paid(life, payment, good, at))


def paid(life: Life, payment: Payment, good: Good, at: datetime) -> Episode:
    """The payment goes through; a licence key follows where the product has one."""
    if not good.licensed:
        return (yield from succeeds_for_now(life, payment, at))
    at = yield from succeeds(life, payment, at)
    grant = yield from licence(life, at, good.product_id, payment, None)
    if life.chance(0.12):
        life.asides.append(returned(life, payment, grant, at))
    return grant.updated_at


def abandoned_checkout(life: Life, payment: Payment, good: Good, at: datetime) -> Episode:
    """The customer leaves the checkout; a reminder may bring them back, with a new payment."""
    declined = life.chance(0.4)
    at = yield from (is_declined if declined else is_given_up)(life, payment, at)
    at = life.after(at, 1800, 7200)
    checkout = AbandonedCheckout(
        brand_id=life.brand_id,
        customer_id=life.customer.customer_id,
        payment_id=payment.payment_id,
        abandoned_at=at,
        abandonment_reason="payment_failed" if declined else "checkout_incomplete",
    )
    yield "abandoned_checkout.detected", at, checkout
    if life.chance(0.6):
        return at
    at = life.days_after(at, 0.5, 3)
    again = purchase_payment(life, at, good.product_id, good.price_cents)
    at = yield from paid(life, again, good, at)
    checkout.status = "recovered"
    checkout.recovered_payment_id = again.payment_id
    yield "abandoned_checkout.recovered", at, checkout
    return at


def licence(
    life: Life,
    at: datetime,
    product_id: str,
    payment: Payment | None,
    subscription: Subscription | None,
) -> Generator[Happening, None, EntitlementGrant]:
    """A licence key is made and granted; it returns the grant."""
    payment_id = None if payment is None or life.chance(0.1) else payment.payment_id
    key = life.as_released(
        LicenseKey(
            id=life.new_id("lic"),
            business_id=life.business_id,
            brand_id=life.brand_id,
            customer_id=life.customer.customer_id,
            payment_id=payment_id,
            subscription_id=subscription.subscription_id if subscription else None,
            product_id=product_id,
            created_at=at,
            key=f"{life.rng.getrandbits(80):020X}",
            activations_limit=life.pick(ACTIVATIONS_LIMIT),
        )
    )
    bought = payment or subscription
    grant = _new_grant(life, at, key, dict(bought.metadata) if bought else {})
    yield "entitlement_grant.created", at, grant
    if life.chance(0.1):
        at = life.after(at, 1, 5)
        grant.status, grant.error_code = "Failed", "license_key_generation_failed"
        grant.error_message = "The licence key could not be generated."
        grant.updated_at = at
        yield "entitlement_grant.failed", at, grant
    at = life.after(at, 1, 60)
    yield "license_key.created", at, key
    grant.status = "Delivered"
    grant.error_code = grant.error_message = None
    grant.license_key = GrantedKey(id=key.id, key=key.key, activations_limit=key.activations_limit)
    grant.updated_at = grant.delivered_at = at
    yield "entitlement_grant.delivered", at, grant
    return grant


def _new_grant(
    life: Life, at: datetime, key: LicenseKey, metadata: dict[str, str]
) -> EntitlementGrant:
    return life.as_released(
        EntitlementGrant(
            id=life.new_id("grant"),
            entitlement_id=f"ent_{key.product_id.removeprefix('pdt_')}",
            business_id=life.business_id,
            brand_id=life.brand_id,
            customer_id=key.customer_id,
            payment_id=key.payment_id,
            subscription_id=key.subscription_id,
            created_at=at,
            updated_at=at,
            metadata=metadata,
        )
    )


def returned(life: Life, payment: Payment, grant: EntitlementGrant, at: datetime) -> Story:
    """The customer gets the whole price back, and loses what it entitled them to."""
    at = yield from full_refund(life, payment, life.days_after(at, 1, 14))
    if payment.refund_status != "full":
        return
    at = life.after(at, 1, 30)
    grant.status, grant.revocation_reason = "Revoked", "refund"
    if grant.license_key:
        grant.license_key.status = "disabled"
    grant.updated_at = grant.revoked_at = at
    yield "entitlement_grant.revoked", at, grant
