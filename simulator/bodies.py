"""The shapes of what Dodo says about payments, refunds, disputes, subscriptions, licence keys.

The keys are those of the `dodopayments` SDK 1.123. A struct is the state of one object: stories
change it, and encoding it takes the snapshot that a webhook carries.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, TypeAlias, TypeVar

from msgspec import Struct, UnsetType

T = TypeVar("T")

Sent: TypeAlias = T | UnsetType
"""A key that some of Dodo's releases leave out."""

Maybe: TypeAlias = T | UnsetType | None
"""A key that is null at times, and that some of Dodo's releases leave out."""


class Body(Struct, kw_only=True):
    """The `data` of a webhook."""

    MAY_BE_MISSING: ClassVar[tuple[str, ...]] = ()


class Envelope(Struct):
    """What every webhook is wrapped in."""

    business_id: str
    type: str
    timestamp: datetime
    data: Body


class OlderEnvelope(Struct):
    """The same with another order of keys, which is not fixed."""

    business_id: str
    data: Body
    timestamp: datetime
    type: str


class Customer(Struct):
    """The customer as embedded in other objects."""

    customer_id: str
    name: Sent[str]
    email: str
    phone_number: Maybe[str]
    metadata: Sent[dict[str, str]]


class Address(Struct):
    """A billing address."""

    country: str
    state: str
    city: str
    street: str
    zipcode: str


class CartItem(Struct):
    """A line of a one-time purchase."""

    product_id: str
    quantity: int


class Payment(Body, kw_only=True):
    """A payment; amounts are in the currency's smallest unit."""

    MAY_BE_MISSING: ClassVar[tuple[str, ...]] = (
        "payload_type",
        "brand_id",
        "card_type",
        "charge_type",
        "checkout_session_id",
        "invoice_id",
        "payment_provider",
        "retry_attempt",
        "settlement_tax",
        "subscription_ids",
    )

    payload_type: Sent[str] = "Payment"
    payment_id: str
    business_id: str
    brand_id: Sent[str]
    customer: Customer
    billing: Address
    created_at: datetime
    updated_at: datetime | None = None
    status: str | None = None
    currency: str
    total_amount: int
    tax: int | None
    settlement_currency: str
    settlement_amount: int
    settlement_tax: Maybe[int]
    subscription_id: str | None = None
    subscription_ids: Sent[list[str]]
    charge_type: Maybe[str] = None
    retry_attempt: Sent[int] = 0
    is_update_payment_method: bool = False
    is_multi_subscription: bool = False
    includes_usage: bool = False
    product_cart: list[CartItem] | None
    payment_provider: Sent[str] = "dodo"
    payment_method: str = "card"
    payment_method_type: str | None
    payment_method_id: str | None = None
    payment_link: str | None = None
    card_network: str | None = "visa"
    card_type: Maybe[str] = "credit"
    card_last_four: str | None
    card_issuing_country: str | None
    checkout_session_id: Maybe[str] = None
    invoice_id: Maybe[str] = None
    digital_products_delivered: bool = False
    discount_id: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    refund_status: str | None = None
    refunds: list[str]
    disputes: list[str]
    service_periods: list[str]
    metadata: dict[str, str]


class Subscription(Body, kw_only=True):
    """A subscription; amounts are in the currency's smallest unit."""

    MAY_BE_MISSING: ClassVar[tuple[str, ...]] = (
        "payload_type",
        "brand_id",
        "cancellation_comment",
        "cancellation_feedback",
        "credit_entitlement_cart",
        "custom_field_responses",
        "has_payment_method",
        "meter_credit_entitlement_cart",
        "past_due_ends_at",
        "paused_at",
        "payment_id",
        "scheduled_change",
        "tax_id",
    )

    payload_type: Sent[str] = "Subscription"
    subscription_id: str
    brand_id: Sent[str]
    customer: Customer
    billing: Address
    status: str
    created_at: datetime
    previous_billing_date: datetime
    next_billing_date: datetime
    expires_at: datetime | None
    trial_period_days: int
    product_id: str
    quantity: int
    currency: str
    recurring_pre_tax_amount: int
    tax_inclusive: bool = False
    payment_frequency_count: int = 1
    payment_frequency_interval: str
    subscription_period_count: int
    subscription_period_interval: str
    on_demand: bool = False
    has_payment_method: Sent[bool] = True
    payment_method_id: str | None
    payment_id: Maybe[str] = None
    cancel_at_next_billing_date: bool = False
    cancelled_at: datetime | None = None
    cancellation_feedback: Maybe[str] = None
    cancellation_comment: Maybe[str] = None
    past_due_ends_at: Maybe[datetime] = None
    paused_at: Maybe[datetime] = None
    scheduled_change: Sent[None] = None
    tax_id: Maybe[str] = None
    discount_id: str | None = None
    discount_cycles_remaining: int | None = None
    addons: list[str]
    meters: list[str]
    credit_entitlement_cart: Sent[list[str]]
    meter_credit_entitlement_cart: Sent[list[str]]
    custom_field_responses: Sent[None] = None
    metadata: dict[str, str]


class Refund(Body, kw_only=True):
    """A refund of a payment, whole or partial."""

    MAY_BE_MISSING: ClassVar[tuple[str, ...]] = (
        "payload_type",
        "brand_id",
        "metadata",
        "network_reference",
        "reason",
    )

    payload_type: Sent[str] = "Refund"
    refund_id: str
    payment_id: str
    business_id: str
    brand_id: Sent[str]
    customer: Customer
    created_at: datetime
    status: str
    amount: int
    currency: str
    is_partial: bool
    reason: Maybe[str]
    network_reference: Maybe[str] = None
    metadata: Sent[dict[str, str]]


class Dispute(Body, kw_only=True):
    """A dispute; its amount is in minor units, as a string or as an integer."""

    MAY_BE_MISSING: ClassVar[tuple[str, ...]] = (
        "payload_type",
        "brand_id",
        "customer",
        "is_resolved_by_rdr",
        "payment_provider",
        "reason",
    )

    payload_type: Sent[str] = "Dispute"
    dispute_id: str
    payment_id: str
    business_id: str
    brand_id: Sent[str]
    customer: Sent[Customer]
    created_at: datetime
    dispute_stage: str
    dispute_status: str = "dispute_opened"
    amount: str | int
    currency: str
    payment_provider: Sent[str] = "dodo"
    is_resolved_by_rdr: Maybe[bool] = None
    reason: Maybe[str]
    remarks: str | None = None


class LicenseKey(Body, kw_only=True):
    """A licence key."""

    MAY_BE_MISSING: ClassVar[tuple[str, ...]] = ("payload_type", "brand_id", "source")

    payload_type: Sent[str] = "LicenseKey"
    id: str
    business_id: str
    brand_id: Sent[str]
    customer_id: str
    payment_id: str | None
    subscription_id: str | None
    product_id: str
    created_at: datetime
    expires_at: datetime | None = None
    key: str
    status: str = "active"
    source: Sent[str] = "auto"
    activations_limit: int | None
    instances_count: int = 0
