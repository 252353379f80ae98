"""Money that goes back: partial refunds, full ones, and those that fail first."""

from __future__ import annotations

from datetime import datetime

from simulator.bodies import Payment, Refund
from simulator.life import Episode, Life, Story

REASONS = {"requested_by_customer": 60, "duplicate": 15, "Not what I expected": 20, None: 5}


def refunds(life: Life, payment: Payment, at: datetime) -> Story:
    """Of a succeeded payment: everything at once, or several parts that never exceed it."""
    at = life.days_after(at, 0.1, 30)
    if life.chance(0.5):
        yield from full_refund(life, payment, at)
        return
    left_minor = payment.total_amount
    for _ in range(life.rng.randint(1, 3)):
        part_minor = life.rng.randint(1, max(1, left_minor // 2))
        at = yield from refund(life, payment, at, min(part_minor, left_minor))
        left_minor -= part_minor
        at = life.days_after(at, 1, 20)
        if left_minor <= 0:
            return


def full_refund(life: Life, payment: Payment, at: datetime) -> Episode:
    """Everything goes back at once; where it did, the payment's `refund_status` is `full`."""
    return (yield from refund(life, payment, at, payment.total_amount))


def refund(life: Life, payment: Payment, at: datetime, amount_minor: int) -> Episode:
    """One refund; it may fail at first, and succeed at a later attempt or never."""
    back = _new_refund(life, payment, at, amount_minor)
    at = life.after(at, 5, 3600)
    if life.chance(0.2):
        back.status = "failed"
        yield "refund.failed", at, back
        if life.chance(0.2):
            return at
        at = life.days_after(at, 0.5, 3)
    back.status = "succeeded"
    payment.refund_status = "partial" if back.is_partial else "full"
    yield "refund.succeeded", at, back
    return at


def _new_refund(life: Life, payment: Payment, at: datetime, amount_minor: int) -> Refund:
    return life.as_released(
        Refund(
            refund_id=life.new_id("ref"),
            payment_id=payment.payment_id,
            business_id=life.business_id,
            brand_id=life.brand_id,
            customer=life.customer,
            created_at=at,
            status="pending",
            amount=amount_minor,
            currency=payment.currency,
            is_partial=amount_minor < payment.total_amount,
            reason=life.pick(REASONS),
            metadata=life.refund_metadata(),
        )
    )
