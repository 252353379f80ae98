"""One charge, with the refunds of it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Protocol

import msgspec

from domain.aggregate import Aggregate
from domain.aggregates.refund import REFUND, RefundEntity
from domain.aggregates.subscription import Discount
from domain.entity import Entity, Kind
from domain.field_readers import INT64_MAX, integer, reader_of
from domain.state_machine import Machine

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from domain.entity import Observation
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


class ServicePeriod(msgspec.Struct, frozen=True):
    """What a payment pays for: one subscription, from when until when.

    `proration_factor` is the part of the price that is charged, as Dodo writes it.
    """

    subscription_id: str | None
    starts_at: datetime | None
    ends_at: datetime | None
    proration_factor: str | None


class CartItem(msgspec.Struct, frozen=True):
    """A product that was bought once, and how often."""

    product_id: str | None
    quantity: int | None


class PaymentEntity(Entity, kw_only=True):
    """A payment as it is known; amounts in minor units of the currency beside them.

    `refunded_amount` adds up the succeeded refunds in the payment's own currency.
    `subscription_ids` are all that it pays for, and `subscription_id` is the first of them: what
    each of several costs, no field tells. `cart` holds what was bought once. `service_periods` are
    told once it has succeeded. `retry_attempt` is 0 for the first one. `invoice_url` may lead
    nowhere without an API key. `discounts` were taken off, in their order.
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
    subscription_ids: tuple[str, ...]
    charge_type: str | None
    includes_usage: bool | None
    service_periods: tuple[ServicePeriod, ...]
    retry_attempt: int | None
    refund_status: str | None
    is_update_payment_method: bool | None
    card_network: str | None
    card_issuing_country: str | None
    error_message: str | None
    invoice_url: str | None
    cart: tuple[CartItem, ...]
    billing_country: str | None
    discounts: tuple[Discount, ...]


class _Billing(msgspec.Struct, frozen=True):
    country: str | None


class _Told(msgspec.Struct, kw_only=True):
    billing: _Billing | None


def _as_word(status: str) -> str:
    return "processing" if status.startswith(_UNDER_WAY) else status


PAYMENT = Kind(
    MACHINE,
    PaymentEntity,
    "payment_id",
    as_word=_as_word,
    derived={
        "product_ids": (),
        "refunded_amount": 0,
        "anomaly": None,
        "subscription_ids": (),
        "cart": (),
        "billing_country": None,
    },
    told=_Told,
)


class Payment(Aggregate):
    """A payment's stream, which takes the payment's refunds too."""

    kinds: ClassVar[tuple[Kind, ...]] = (PAYMENT, REFUND)

    def derive(self, described: Mapping[tuple[str, str], Entity]) -> None:
        """Add what the cart holds and what the refunds sum up to; too much is an anomaly."""
        refunds = [refund for refund in described.values() if isinstance(refund, RefundEntity)]
        for named, payment in described.items():
            if isinstance(payment, PaymentEntity):
                newest_first = self.folded()[named].observations[::-1]
                newest = newest_first[0].payload
                payment.product_ids = products(newest)
                payment.cart = cart(newest)
                payment.billing_country = billing_country(newest)
                payment.subscription_ids = _paid_for(newest_first, self)
                total = sum(given_back(refund, payment.currency)[0] for refund in refunds)
                payment.refunded_amount = max(-INT64_MAX, min(total, INT64_MAX))
                if payment.total_amount is not None and total > payment.total_amount:
                    payment.anomaly = "the refunds exceed the total"


class PaidForBefore(msgspec.Struct, frozen=True):
    """The subscriptions that a payment was said to be for, last."""

    subscription_ids: tuple[str, ...] = ()


def paid_for_up_to(aggregate: Aggregate) -> PaidForBefore:
    """Return what is carried of a stream that is about a payment alone."""
    (folded,) = aggregate.folded().values()
    return PaidForBefore(_paid_for(folded.observations[::-1], aggregate))


def _paid_for(newest_first: Iterable[Observation], aggregate: Aggregate) -> tuple[str, ...]:
    before = aggregate.carried(PaidForBefore) or PaidForBefore()
    said = (subscriptions(observation.payload) for observation in newest_first)
    return next(filter(None, said), before.subscription_ids)


def products(payload: Payload) -> tuple[str, ...]:
    """Read the products that a payment's cart holds."""
    lines = payload.product_cart or ()
    return tuple(line.product_id for line in lines if line.product_id)


def cart(payload: Payload) -> tuple[CartItem, ...]:
    """Read what a payment's cart holds, and how often."""
    lines = payload.product_cart or ()
    return tuple(CartItem(line.product_id, integer(line.quantity)) for line in lines)


def subscriptions(payload: Payload) -> tuple[str, ...]:
    """Read the subscriptions that a payment pays for."""
    one, several = payload.subscription_id, payload.subscription_ids or ()
    return tuple(dict.fromkeys((one, *several) if one else several))


def billing_country(payload: Payload) -> str | None:
    """Read the country that a payment is billed to."""
    billing = _read_billing(getattr(payload, "billing", None))
    return billing.country if isinstance(billing, _Billing) else None


_read_billing = reader_of("billing", _Billing)


class GivesBack(Protocol):
    """What tells of a refund what it gives back: the refund itself, or what was known of it."""

    @property
    def status(self) -> str | None:
        """Where it stands."""

    @property
    def amount(self) -> int | None:
        """How much, in minor units."""

    @property
    def currency(self) -> str | None:
        """Of what; None: of the payment's."""


def given_back(refund: GivesBack, currency: str | None) -> tuple[int, str | None]:
    """Return what a refund gives back in a currency, in minor units; if nothing, why."""
    if refund.status != "succeeded":
        status = refund.status
        return 0, f"the refund is {status}" if status else "nothing says that it succeeded"
    if (refund.currency or currency) != currency:
        return 0, "the refund is in another currency than the payment"
    if refund.amount is None:
        return 0, "the refund does not say its amount"
    return refund.amount, None
