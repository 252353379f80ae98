"""How a payment is made, and succeeds, is declined, or is given up."""

from __future__ import annotations

from datetime import datetime

from simulator.bodies import CartItem, Payment, Subscription
from simulator.disputes import chargeback
from simulator.life import Episode, Life
from simulator.refunds import refunds

METHODS = {"visa": 45, "mastercard": 30, "apple_pay": 14, "google_pay": 10, "wallet_of_2027": 1}
"""The last one stands for values that no schema lists yet."""

DECLINES = {
    ("INSUFFICIENT_FUNDS", "The card has insufficient funds."): 50,
    ("CARD_DECLINED", "The card was declined."): 30,
    ("EXPIRED_CARD", "The card has expired."): 15,
    (None, None): 5,
}


def _new_payment(life: Life, at: datetime, price_cents: int) -> Payment:
    """A payment of that price, not yet tried, with tax on top."""
    net_minor = life.charged_in.amount_minor(price_cents)
    tax_minor = net_minor * life.charged_in.tax_percent // 100
    total_minor = net_minor + tax_minor
    payment_id = life.new_id("pay")
    return Payment(
        payment_id=payment_id,
        business_id=life.business_id,
        brand_id=life.brand_id,
        customer=life.customer,
        billing=life.billing,
        created_at=at,
        currency=life.charged_in.code,
        total_amount=total_minor,
        tax=tax_minor or None,
        settlement_currency="USD",
        settlement_amount=life.charged_in.cents(total_minor),
        settlement_tax=life.charged_in.cents(tax_minor) or None,
        subscription_ids=[],
        product_cart=None,
        payment_method_type=life.pick(METHODS),
        payment_link=f"https://test.checkout.dodopayments.com/{payment_id}",
        card_last_four=life.card_last_four,
        card_issuing_country=life.charged_in.country,
        invoice_id=_invoice_id(life, at),
        refunds=[],
        disputes=[],
        service_periods=[],
        metadata={},
    )


def _invoice_id(life: Life, at: datetime) -> str:
    """An invoice's id; Indian ones have slashes."""
    if life.charged_in.country == "IN":
        return f"INV/{at.year}/{life.rng.randrange(10**6):06d}"
    return life.new_id("inv")


def purchase_payment(life: Life, at: datetime, product_id: str, price_cents: int) -> Payment:
    """A payment for one thing, once."""
    payment = _new_payment(life, at, price_cents)
    payment.product_cart = [CartItem(product_id, 1)]
    payment.checkout_session_id = life.new_id("cks")
    payment.metadata = life.purchase_metadata()
    return life.as_released(payment)


def subscription_payment(
    life: Life, subscription: Subscription, at: datetime, price_cents: int, charge_type: str | None
) -> Payment:
    """A payment for a subscription; `product_cart` is null or a list."""
    payment = _new_payment(life, at, price_cents)
    payment.subscription_id = subscription.subscription_id
    payment.subscription_ids = [subscription.subscription_id]
    payment.charge_type = charge_type
    payment.metadata = dict(subscription.metadata)
    payment.payment_method_id = subscription.payment_method_id
    if life.chance(0.3):
        payment.product_cart = [CartItem(subscription.product_id, subscription.quantity)]
    return life.as_released(payment)


def succeeds(life: Life, payment: Payment, at: datetime) -> Episode:
    """The payment succeeds, at times after some processing."""
    at = yield from _processing(life, payment, at)
    payment.status = "succeeded"
    payment.updated_at = at
    payment.error_code = payment.error_message = None
    yield "payment.succeeded", at, payment
    return at


def succeeds_for_now(life: Life, payment: Payment, at: datetime) -> Episode:
    """The payment succeeds, but at times the money goes back: by refunds or by a dispute."""
    at = yield from succeeds(life, payment, at)
    if payment.total_amount == 0:
        return at
    if life.chance(0.06):
        life.asides.append(refunds(life, payment, at))
    elif life.chance(0.09):
        life.asides.append(chargeback(life, payment, at))
    return at


def is_declined(life: Life, payment: Payment, at: datetime) -> Episode:
    """The payment fails, at times after some processing."""
    at = yield from _processing(life, payment, at)
    payment.status = "failed"
    payment.updated_at = at
    payment.error_code, payment.error_message = life.pick(DECLINES)
    yield "payment.failed", at, payment
    return at


def is_given_up(life: Life, payment: Payment, at: datetime) -> Episode:
    """The customer leaves before the payment is through."""
    at = yield from _processing(life, payment, at)
    payment.status = "cancelled"
    payment.updated_at = at
    yield "payment.cancelled", at, payment
    return at


def _processing(life: Life, payment: Payment, at: datetime) -> Episode:
    if life.chance(0.15):
        payment.status = "processing"
        yield "payment.processing", at, payment
        return life.after(at, 2, 900)
    return at
