"""What Dodo pays the merchant, week by week."""

from __future__ import annotations

from datetime import datetime, timedelta

from simulator.life import Episode, Life, Story
from simulator.side_bodies import Payout

COURSES: dict[tuple[str, ...], float] = {
    ("in_progress", "success"): 80,
    ("on_hold", "in_progress", "success"): 12,
    ("in_progress", "failed"): 8,
}


def payouts(life: Life, at: datetime) -> Story:
    """One payout a week, for ever."""
    while True:
        at += timedelta(days=7)
        yield from payout(life, at)


def payout(life: Life, at: datetime) -> Episode:
    """One payout, which takes some days, is held back at times, and fails at times."""
    amount_minor = life.rng.randint(50_000, 5_000_000)
    paid = Payout(
        payout_id=life.new_id("pyt"),
        business_id=life.business_id,
        amount=amount_minor,
        fee=amount_minor // 100,
        tax=0,
        refunds=amount_minor // 50,
        chargebacks=amount_minor // 200,
        created_at=at,
        updated_at=at,
    )
    yield "payout.created", at, paid
    for status in life.pick(COURSES):
        at = life.days_after(at, 0.2, 2)
        paid.status = status
        paid.updated_at = at
        yield f"payout.{status}", at, paid
    return at
