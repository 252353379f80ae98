"""One entry of a ledger of credits, and what an account holds before and after it."""

from __future__ import annotations

from datetime import datetime
from decimal import Context, Decimal, Inexact
from typing import Final, NamedTuple

import msgspec

from domain.field_readers import shortest

EXACT: Final = Context(prec=80, traps=[Inexact])
"""Sums of 10^20 entries of 38 digits are exact in it."""
NOTHING: Final = Decimal(0)


class CreditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a ledger; `amount` is negative where it takes credits away.

    `balance_change` and `overage_change` are what it does; the four others are what Dodo observed.
    `position` and `webhook_id` are of the webhook that told it.
    """

    business_id: str
    customer_id: str
    credit_entitlement_id: str
    id: str
    position: str
    webhook_id: str
    type: str
    created_at: datetime
    transaction_type: str | None
    amount: Decimal | None
    balance_change: Decimal
    overage_change: Decimal
    balance_before: Decimal | None
    balance_after: Decimal | None
    overage_before: Decimal | None
    overage_after: Decimal | None
    reference_type: str | None
    reference_id: str | None
    grant_id: str | None
    description: str | None
    anomaly: str | None

    @property
    def moved(self) -> tuple[object, ...]:
        """What it does, by which two that tell of it are the same."""
        return self.amount, self.balance_change, self.overage_change, self.balance_after

    @property
    def standing_before(self) -> Standing | None:
        """What the account held before it, as far as it says so."""
        return _standing(self.balance_before, self.overage_before)

    @property
    def standing_after(self) -> Standing | None:
        """What the account holds after it, as far as it says so."""
        return _standing(self.balance_after, self.overage_after)


class Standing(NamedTuple):
    """What an account holds at a moment."""

    balance: Decimal
    overage: Decimal


EMPTY: Final = Standing(NOTHING, NOTHING)


def difference(before: object, after: object) -> Decimal | None:
    """Return what leads from one amount to the other; None where one of them is not told."""
    if not isinstance(before, Decimal) or not isinstance(after, Decimal):
        return None
    return shortest(EXACT.subtract(after, before))


def _standing(balance: Decimal | None, overage: Decimal | None) -> Standing | None:
    return None if balance is None or overage is None else Standing(balance, overage)
