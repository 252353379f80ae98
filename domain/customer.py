"""What is known of a customer, and what he has, as counts and totals."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Totals(msgspec.Struct, frozen=True):
    """What succeeded payments and refunds add up to, in minor units of one currency."""

    paid: int
    refunded: int


class SaidBy(msgspec.Struct, frozen=True):
    """The newest fact that says something."""

    webhook_id: str
    occurred_at: datetime


class Customer(msgspec.Struct, frozen=True):
    """What a customer has, by count; `refused` counts refused facts, `totals` is by currency.

    `active_subscriptions` are active by status, or past due within their grace; whether the
    customer has access is asked at /v1/access. `email`, `name`, `phone_number` and `metadata`, the
    customer's own, are what the newest fact says that says anything of it, and `sources` has that
    fact by the field's name. Buyers write them.
    """

    business_id: str
    customer_id: str
    subscriptions: int
    active_subscriptions: int
    payments: int
    succeeded_payments: int
    failed_payments: int
    refunds: int
    disputes: int
    open_disputes: int
    license_keys: int
    refused: int
    first_seen_at: datetime
    last_seen_at: datetime
    totals: dict[str, Totals]
    email: str | None
    name: str | None
    phone_number: str | None
    metadata: dict[str, str]
    sources: dict[str, SaidBy]
    entitlement_grants: int
    credits: int
    dunnings: int
    abandoned_checkouts: int
