"""The credits of a billing period: granted, used, carried over or gone."""

from __future__ import annotations

from datetime import datetime

from simulator.bodies import Subscription
from simulator.catalogue import PLAN_BY_ID
from simulator.life import Happening, Life, Story
from simulator.side_bodies import CreditBalanceLow, CreditLedgerEntry

ENTITLEMENT_ID = "cent_api_calls"
LOW_PERCENT = 20

ENDS = {"rolled_over": 30, "expired": 40, "rollover_forfeited": 30}


class Account:
    """A customer's credits, in whole credits: what is left, and what was used beyond it."""

    def __init__(self, life: Life, subscription: Subscription) -> None:
        self.life = life
        self.subscription_id = subscription.subscription_id
        self.metadata = dict(subscription.metadata)
        self.grant_id = life.new_id("cgr")
        self.balance = 0
        self.overage = 0

    def entry(
        self, event: str, at: datetime, amount: int, balance: int, overage: int = 0
    ) -> Happening:
        """A line that moves the account to a new balance and overage."""
        line = CreditLedgerEntry(
            id=self.life.new_id("cle"),
            business_id=self.life.business_id,
            brand_id=self.life.brand_id,
            customer_id=self.life.customer.customer_id,
            credit_entitlement_id=ENTITLEMENT_ID,
            grant_id=self.grant_id,
            reference_type="subscription",
            reference_id=self.subscription_id,
            transaction_type=f"credit_{event}" if event in PREFIXED else event,
            is_credit=balance > self.balance or overage < self.overage,
            amount=str(amount),
            balance_before=str(self.balance),
            balance_after=str(balance),
            overage_before=str(self.overage),
            overage_after=str(overage),
            created_at=at,
            metadata=self.metadata,
        )
        self.balance, self.overage = balance, overage
        return f"credit.{event}", at, line


PREFIXED = ("added", "deducted", "expired", "rolled_over")
"""Those whose `transaction_type` says "credit" again."""


def credits_of_period(life: Life, subscription: Subscription) -> Story:
    """What becomes of the credits of the period that has just begun.

    The period is read at once, since the subscription moves on before this story is told.
    """
    granted = PLAN_BY_ID[subscription.product_id].credits
    begins_at, ends_at = subscription.previous_billing_date, subscription.next_billing_date
    return _spent(life, Account(life, subscription), granted, begins_at, ends_at)


def _spent(
    life: Life, account: Account, granted: int, begins_at: datetime, ends_at: datetime
) -> Story:
    """Credits are granted, and then used up, overdrawn, or left over."""
    at = life.after(begins_at, 1, 30)
    yield account.entry("added", at, granted, granted)
    if life.chance(0.1):
        at = life.days_after(at, 0.1, 1)
        yield account.entry("manual_adjustment", at, 50, granted + 50)
    used = life.rng.randint(granted // 2, granted)
    at = life.days_after(at, 1, 5)
    yield account.entry("deducted", at, used, account.balance - used)
    if account.balance * 100 < LOW_PERCENT * granted:
        yield _low(life, account, granted, at)
    if life.chance(0.3):
        yield from _overdrawn(life, account, ends_at)
    elif account.balance:
        yield from _ended(life, account, ends_at)


def _overdrawn(life: Life, account: Account, ends_at: datetime) -> Story:
    beyond = life.rng.randint(1, 100)
    yield account.entry("deducted", life.days_after(ends_at, -1, -0.5), account.balance, 0)
    yield account.entry("overage_charged", life.days_after(ends_at, -0.4, 0), beyond, 0, beyond)
    yield account.entry("overage_reset", ends_at, beyond, 0)


def _ended(life: Life, account: Account, ends_at: datetime) -> Story:
    """What is left is gone; or it is carried over, and the next thing that is used."""
    end = life.pick(ENDS)
    kept = account.balance * 2 if end == "rolled_over" else 0
    yield account.entry(end, ends_at, account.balance, kept)
    if kept:
        yield account.entry("deducted", ends_at, kept, 0)


def _low(life: Life, account: Account, granted: int, at: datetime) -> Happening:
    low = CreditBalanceLow(
        brand_id=life.brand_id,
        customer_id=life.customer.customer_id,
        subscription_id=account.subscription_id,
        credit_entitlement_id=ENTITLEMENT_ID,
        credit_entitlement_name="API calls",
        subscription_credits_amount=str(granted),
        available_balance=str(account.balance),
        threshold_amount=str(granted * LOW_PERCENT // 100),
        threshold_percent=LOW_PERCENT,
    )
    return "credit.balance_low", at, low
