"""The shapes of what Dodo says about everything that no aggregate takes."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from msgspec import Struct

from simulator.bodies import Body, Maybe, Sent


class DunningAttempt(Body, kw_only=True):
    """Dodo's attempt to collect a failed renewal."""

    payload_type: Sent[str] = "DunningAttempt"
    brand_id: str
    created_at: datetime
    customer_id: str
    subscription_id: str
    payment_id: str | None = None
    status: str = "recovering"
    trigger_state: str


class AbandonedCheckout(Body, kw_only=True):
    """A checkout that the customer left."""

    payload_type: Sent[str] = "AbandonedCheckout"
    brand_id: str
    customer_id: str
    payment_id: str
    recovered_payment_id: str | None = None
    abandoned_at: datetime
    abandonment_reason: str
    status: str = "abandoned"


class GrantedKey(Struct, kw_only=True):
    """The licence key inside a grant."""

    id: str
    key: str
    status: str = "active"
    expires_at: datetime | None = None
    activations_used: int = 0
    activations_limit: int | None


class EntitlementGrant(Body, kw_only=True):
    """What a purchase entitles a customer to."""

    MAY_BE_MISSING: ClassVar[tuple[str, ...]] = (
        "payload_type",
        "feature",
        "oauth_expires_at",
        "oauth_url",
    )

    payload_type: Sent[str] = "EntitlementGrant"
    id: str
    entitlement_id: str
    business_id: str
    brand_id: str
    customer_id: str
    payment_id: str | None
    subscription_id: str | None
    integration_type: str = "license_key"
    status: str = "Pending"
    created_at: datetime
    updated_at: datetime
    delivered_at: datetime | None = None
    revoked_at: datetime | None = None
    revocation_reason: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    license_key: GrantedKey | None = None
    digital_product_delivery: None = None
    feature: Maybe[str] = None
    oauth_url: Maybe[str] = None
    oauth_expires_at: Maybe[datetime] = None
    metadata: dict[str, str]


class CreditLedgerEntry(Body, kw_only=True):
    """One line of a customer's credits; amounts are decimal strings."""

    payload_type: Sent[str] = "CreditLedgerEntry"
    id: str
    business_id: str
    brand_id: str
    customer_id: str
    credit_entitlement_id: str
    grant_id: str | None
    reference_type: str | None
    reference_id: str | None
    transaction_type: str
    is_credit: bool
    amount: str
    balance_before: str
    balance_after: str
    overage_before: str
    overage_after: str
    description: str | None = None
    created_at: datetime
    metadata: dict[str, str]


class CreditBalanceLow(Body, kw_only=True):
    """A warning that a customer's credits run out."""

    payload_type: Sent[str] = "CreditBalanceLow"
    brand_id: str
    customer_id: str
    subscription_id: str
    credit_entitlement_id: str
    credit_entitlement_name: str
    subscription_credits_amount: str
    available_balance: str
    threshold_amount: str
    threshold_percent: int


class Payout(Body, kw_only=True):
    """Dodo's payment to the merchant; amounts are in the currency's smallest unit."""

    payload_type: Sent[str] = "Payout"
    payout_id: str
    business_id: str
    name: str | None = None
    status: str = "not_initiated"
    currency: str = "USD"
    amount: int
    fee: int
    tax: int
    refunds: int
    chargebacks: int
    payment_method: str = "bank_transfer"
    payout_document_url: str | None = None
    remarks: str | None = None
    created_at: datetime
    updated_at: datetime
