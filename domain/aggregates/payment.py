"""One charge, with the refunds of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from domain.aggregate import Aggregate
from domain.aggregates.refund import REFUND, RefundEntity
from domain.entity import Entity, Kind
from domain.field_readers import INT64_MAX, identity
from domain.state_machine import Machine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from domain.payload import Payload

STATES = {
    "processing": "Under way: the customer, the merchant or the bank has to act.",
    "failed": "Not paid; another attempt may follow.",
    "cancelled": "Given up.",
    "succeeded": "Paid. It stays so when it is refunded.",
}
EVENTS = {
    "processing": "The charge was started.",
    "failed": "The charge failed.",
    "cancelled": "The charge was given up.",
    "succeeded": "The charge was made.",
}
RANKS = {"processing": 10, "failed": 20, "cancelled": 30, "succeeded": 40}
# Source: docs/dodo.md, section 5; another attempt after a failure, and a success after a
# cancellation, are inferred there.
MACHINE = Machine(
    kind="payment",
    states=STATES,
    events=EVENTS,
    ranks=RANKS,
    final=frozenset({"cancelled", "succeeded"}),
    grid="""
            processing  failed  cancelled  succeeded
(none)      processing  failed  cancelled  succeeded
processing  =           failed  cancelled  succeeded
failed      processing  =       cancelled  succeeded
cancelled   ✗           ✗       =          succeeded
succeeded   ✗           ✗       ✗          =
""",
)
_UNDER_WAY = ("requires_", "partially_captured")


class PaymentEntity(Entity, kw_only=True):
    """A payment as it is known; amounts in minor units of the currency beside them.

    `refunded_amount` adds up the succeeded refunds in the payment's own currency.
    """

    payment_id: str
    subscription_id: str | None
    product_ids: tuple[str, ...]
    currency: str | None
    total_amount: int | None
    tax: int | None
    settlement_amount: int | None
    settlement_currency: str | None
    settlement_tax: int | None
    payment_method: str | None
    payment_method_type: str | None
    error_code: str | None
    invoice_id: str | None
    checkout_session_id: str | None
    discount_id: str | None
    brand_id: str | None
    refunded_amount: int
    anomaly: str | None
    metadata: dict[str, str]


def _as_word(status: str) -> str:
    return "processing" if status.startswith(_UNDER_WAY) else status


PAYMENT = Kind(
    MACHINE,
    PaymentEntity,
    "payment_id",
    as_word=_as_word,
    derived={"product_ids": (), "refunded_amount": 0, "anomaly": None},
)


class Payment(Aggregate):
    """A payment's stream, which takes the payment's refunds too."""

    kinds: ClassVar[tuple[Kind, ...]] = (PAYMENT, REFUND)

    def derive(self, described: Mapping[tuple[str, str], Entity]) -> None:
        """Add what the cart holds and what the refunds sum up to; too much is an anomaly."""
        refunds = [refund for refund in described.values() if isinstance(refund, RefundEntity)]
        for named, payment in described.items():
            if isinstance(payment, PaymentEntity):
                payment.product_ids = products(self.folded()[named].observations[-1].payload)
                total = sum(given_back(refund, payment.currency)[0] for refund in refunds)
                payment.refunded_amount = max(-INT64_MAX, min(total, INT64_MAX))
                if payment.total_amount is not None and total > payment.total_amount:
                    payment.anomaly = "the refunds exceed the total"


def products(payload: Payload) -> tuple[str, ...]:
    """Read the products that a payment's cart holds."""
    lines = payload.product_cart or ()
    return tuple(filter(None, (identity(line.product_id) for line in lines)))


def given_back(refund: RefundEntity, currency: str | None) -> tuple[int, str | None]:
    """Return what a refund gives back in a currency, in minor units; if nothing, why."""
    if refund.status != "succeeded":
        status = refund.status
        return 0, f"the refund is {status}" if status else "nothing says that it succeeded"
    if (refund.currency or currency) != currency:
        return 0, "the refund is in another currency than the payment"
    if refund.amount is None:
        return 0, "the refund does not say its amount"
    return refund.amount, None
