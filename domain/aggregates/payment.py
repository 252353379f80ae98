"""Payment: one charge, with the refunds of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from domain.aggregate import Aggregate
from domain.aggregates.refund import REFUND
from domain.entity import Entity, Kind
from domain.field_readers import INT64_MAX, identities, integer
from domain.state_machine import Machine
from domain.timeline import follow

if TYPE_CHECKING:
    from domain.timeline import Folded

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
# Source: dodo.md, section 5; another attempt after a failure, and a success after a
# cancellation, are inferred there.
MACHINE = Machine(
    kind="payment",
    states=STATES,
    events=EVENTS,
    order="processing < failed < cancelled < succeeded",
    final=frozenset({"cancelled", "succeeded"}),
    first_rank=0,
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


def _as_word(status: str) -> str:
    return "processing" if status.startswith(_UNDER_WAY) else status


PAYMENT = Kind(
    "payment",
    MACHINE,
    PaymentEntity,
    "payment_id",
    as_word=_as_word,
    derived=frozenset({"product_ids", "refunded_amount", "anomaly"}),
)


class Payment(Aggregate):
    """A payment's stream, which takes the payment's refunds too."""

    kinds: ClassVar[tuple[Kind, ...]] = (PAYMENT, REFUND)

    def derive(self, kind: Kind, entity_id: str, folded: Folded) -> dict[str, object]:
        """Add what the cart holds and what the refunds sum up to; too much is an anomaly."""
        known = super().derive(kind, entity_id, folded)
        if kind is not PAYMENT:
            return known
        newest = folded.observations[-1].data
        total = integer(newest.get("total_amount"))
        refunded = self._refunded_amount(newest.get("currency"))
        exceeds = total is not None and refunded > total
        return known | {
            "product_ids": products(newest.get("product_cart")),
            "refunded_amount": refunded,
            "anomaly": "the refunds exceed the total" if exceeds else None,
        }

    def _refunded_amount(self, currency: object) -> int:
        refunds = (folded for (name, _), folded in self.folded().items() if name == REFUND.name)
        total = sum(given_back(refund, currency)[0] for refund in refunds)
        return max(-INT64_MAX, min(total, INT64_MAX))


def products(cart: object) -> tuple[str, ...]:
    """Read the products that a payment's cart holds."""
    lines = cart if isinstance(cart, list) else []
    return identities([line.get("product_id") for line in lines if isinstance(line, dict)])


def given_back(refund: Folded, currency: object) -> tuple[int, str | None]:
    """Return what a refund gives back in a currency, in minor units; if nothing, why."""
    newest, status = refund.observations[-1].data, follow(REFUND, refund)[0].status
    if status != "succeeded":
        return 0, f"the refund is {status}" if status else "nothing says that it succeeded"
    if (newest.get("currency") or currency) != currency:
        return 0, "the refund is in another currency than the payment"
    amount = integer(newest.get("amount"))
    return (0, "the refund does not say its amount") if amount is None else (amount, None)
