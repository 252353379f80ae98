"""The anomaly of a payment that does not fit what was to be paid, from when until when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from domain.anomalies.span import Named, Span
from domain.prices import judge

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from domain.anomalies.span import Testimony
    from domain.prices import Charge, Fit

AMOUNT_UNFIT: Final = "amount_unfit"


class GivenBack(NamedTuple):
    """What a refund that succeeded gives back, in minor units, and since when."""

    at: datetime
    amount: int


def unfit(charge: Charge, paid: Testimony, refunds: Iterable[GivenBack]) -> Span | None:
    """Return what is wrong with a payment that was `paid`; None where nothing is, as far as known.

    It is settled once what was too much is given back, or all of it where no amount says how much.
    """
    fit = judge(charge)
    if fit.fits is not False:
        return None
    payment, excess = charge.payment, _excess(fit)
    settled_at = _settled(refunds, excess if excess and excess > 0 else payment.total_amount or 0)
    opened_at = paid.occurred_at
    if settled_at is not None and settled_at <= opened_at:
        return None
    products = sorted({*payment.product_ids, *charge.prices})
    subscriptions = (Named("subscription", one) for one in payment.subscription_ids)
    return Span(
        code=AMOUNT_UNFIT,
        kind="payment",
        id=payment.payment_id,
        business_id=payment.business_id,
        customer_id=payment.customer_id,
        opened_at=opened_at,
        settled_at=settled_at,
        began_at=payment.created_at,
        amount=payment.total_amount if excess is None else abs(excess),
        currency=payment.currency,
        objects=(
            Named("payment", payment.payment_id),
            *subscriptions,
            *(Named("product", one) for one in products),
        ),
        evidence=(
            msgspec.structs.replace(
                paid,
                fields={
                    "reason": fit.reason,
                    "measured_by": fit.rule,
                    "expected_amount": fit.expected,
                    "paid_amount": fit.got,
                    "total_amount": payment.total_amount,
                    "tax_amount": payment.tax,
                },
            ),
        ),
    )


def _excess(fit: Fit) -> int | None:
    return None if fit.got is None or fit.expected is None else fit.got - fit.expected


def _settled(refunds: Iterable[GivenBack], due: int) -> datetime | None:
    total = 0
    for refund in sorted(refunds):
        total += refund.amount
        if total >= due:
            return refund.at
    return None
