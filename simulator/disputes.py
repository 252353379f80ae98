"""Money that is taken back: a dispute, stage by stage, to its end."""

from __future__ import annotations

from datetime import datetime

from simulator.bodies import Dispute, Payment
from simulator.life import Episode, Life, Story

STAGES = ("pre_dispute", "dispute", "pre_arbitration")
FIRST_STAGE = {0: 30, 1: 65, 2: 5}

COURSES: dict[tuple[str, ...], float] = {
    ("challenged", "won"): 22,
    ("challenged", "lost"): 22,
    ("challenged",): 8,
    ("accepted",): 12,
    ("expired",): 12,
    ("cancelled",): 10,
    ("won",): 4,
    ("lost",): 4,
    (): 6,
}
"""What may follow `opened` within one stage. A course without an outcome is still going on."""

ONGOING = ((), ("challenged",))

REASONS = {"fraudulent": 40, "product_not_received": 30, "Subscription was cancelled": 30}


def chargeback(life: Life, payment: Payment, at: datetime) -> Story:
    """A dispute of a payment, at times reopened at a higher stage after it seemed settled."""
    at = life.days_after(at, 1, 45)
    dispute = _new_dispute(life, payment, at)
    first = life.pick(FIRST_STAGE)
    for stage in STAGES[first:]:
        dispute.dispute_stage = stage
        course = life.pick(COURSES)
        at = yield from stage_of_dispute(life, dispute, at, course)
        if course in ONGOING or life.chance(0.6):
            return
        at = life.days_after(at, 3, 30)


def stage_of_dispute(
    life: Life, dispute: Dispute, at: datetime, course: tuple[str, ...]
) -> Episode:
    """It opens; the merchant responds within four days, or not; the bank decides later."""
    dispute.dispute_status = "dispute_opened"
    dispute.remarks = None
    yield "dispute.opened", at, dispute
    for status in course:
        if status == "expired":
            at = life.days_after(at, 4, 4.1)
        elif status in ("won", "lost"):
            at = life.days_after(at, 7, 40)
        else:
            at = life.days_after(at, 0.2, 3.9)
        dispute.dispute_status = f"dispute_{status}"
        dispute.remarks = "Decided by the issuing bank" if status in ("won", "lost") else None
        yield f"dispute.{status}", at, dispute
    return at


def _new_dispute(life: Life, payment: Payment, at: datetime) -> Dispute:
    amount_minor = payment.total_amount
    return life.as_released(
        Dispute(
            dispute_id=life.new_id("dp"),
            payment_id=payment.payment_id,
            business_id=life.business_id,
            brand_id=life.brand_id,
            customer=life.customer,
            created_at=at,
            dispute_stage="dispute",
            amount=str(amount_minor) if life.chance(0.7) else amount_minor,
            currency=payment.currency,
            reason=life.pick(REASONS),
        )
    )
