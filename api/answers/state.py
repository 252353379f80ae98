"""The state of a person in one answer: what there is, what may be had, and how sure that is."""

from __future__ import annotations

from datetime import datetime

import msgspec

from api.answers.access import Freshness
from api.answers.persons import Identified
from domain.access.access import Access
from domain.access.doubts import Doubt


class Price(msgspec.Struct, frozen=True):
    """What is charged before tax, in minor units of the currency, once every so many intervals."""

    amount: int | None
    currency: str | None
    quantity: int | None
    every: int | None
    interval: str | None


class HeldSubscription(msgspec.Struct, frozen=True):
    """A subscription, and whether it gives access by the policy.

    `access_until` is when that ends by time alone. `next_charge_at` is null where none is due:
    the subscription ends, or stands still.
    """

    subscription_id: str
    product_id: str | None
    product_name: str | None
    status: str | None
    access: bool
    access_until: datetime | None
    reason: str
    price: Price
    next_charge_at: datetime | None
    next_billing_date: datetime | None
    cancel_at_next_billing_date: bool | None
    past_due_ends_at: datetime | None
    created_at: datetime


class HeldPurchase(msgspec.Struct, frozen=True):
    """A payment for something that is bought once; amounts in minor units."""

    payment_id: str
    product_ids: tuple[str, ...]
    product_names: tuple[str | None, ...]
    access: bool
    reason: str
    total_amount: int | None
    refunded_amount: int
    currency: str | None
    created_at: datetime


class HeldKey(msgspec.Struct, frozen=True):
    """A licence key, without the key itself."""

    id: str
    product_id: str | None
    product_name: str | None
    status: str | None
    access: bool
    access_until: datetime | None
    reason: str
    activations_limit: int | None
    instances_count: int | None
    expires_at: datetime | None


class HeldGrant(msgspec.Struct, frozen=True):
    """An entitlement that was granted, without what opens something."""

    id: str
    entitlement_id: str | None
    integration_type: str | None
    status: str | None
    access: bool
    access_until: datetime | None
    reason: str
    payment_id: str | None
    subscription_id: str | None
    license_key_id: str | None
    delivered_at: datetime | None
    revoked_at: datetime | None


class OpenDispute(msgspec.Struct, frozen=True):
    """A dispute that is not decided yet; `amount` in minor units."""

    dispute_id: str
    payment_id: str | None
    status: str | None
    stage: str | None
    amount: int | None
    currency: str | None
    created_at: datetime


class Unpaid(msgspec.Struct, frozen=True):
    """A payment that failed, after which no other of its subscription succeeded."""

    payment_id: str
    subscription_id: str | None
    product_ids: tuple[str, ...]
    product_names: tuple[str | None, ...]
    total_amount: int | None
    currency: str | None
    error_code: str | None
    created_at: datetime


class ProductAccess(Access, frozen=True, kw_only=True):
    """The access to one product."""

    product_id: str
    product_name: str | None


class State(msgspec.Struct, frozen=True):
    """All that counts of a person, `at` an instant.

    `customers` are all who are, or claim to be, the person, who bought first first. Of
    subscriptions, `active` are those of this status; `in_grace` the others that give access, each
    until its `access_until`; and `without_access` the rest. `access` is to any product, `products`
    has each one.
    """

    at: datetime
    customers: list[Identified]
    access: Access
    active: list[HeldSubscription]
    in_grace: list[HeldSubscription]
    without_access: list[HeldSubscription]
    bought_once: list[HeldPurchase]
    license_keys: list[HeldKey]
    grants: list[HeldGrant]
    open_disputes: list[OpenDispute]
    unpaid: list[Unpaid]
    products: list[ProductAccess]
    doubts: list[Doubt]
    freshness: Freshness
