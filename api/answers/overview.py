"""How things stand: counts, each with the request that lists what it counts."""

from __future__ import annotations

from datetime import datetime

import msgspec

from api.answers.access import LastWebhook


class CurrencySum(msgspec.Struct, frozen=True):
    """How many are in one currency, and what they add up to, in minor units."""

    currency: str | None
    count: int
    amount: int


class ListedCount(msgspec.Struct, frozen=True):
    """How many there are; `made_of` lists them."""

    count: int
    made_of: str


class ListedSums(msgspec.Struct, frozen=True):
    """How many there are, and their sums by currency, which are never added up."""

    count: int
    by_currency: list[CurrencySum]
    made_of: str


class CountedAnomalies(msgspec.Struct, frozen=True):
    """How many anomalies with one code are open."""

    code: str
    count: int
    made_of: str


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """How things stand at `at`.

    `last_webhooks` has the newest of each business, the newest of all first. Subscriptions are
    active by status, or past due until their grace ends: those are `in_grace`, too. Failed payments
    are those created since `failed_from`, 7 days with the one of `at`. Jobs are those of now, and
    null of the past.
    """

    at: datetime
    last_webhooks: list[LastWebhook]
    active_subscriptions: ListedCount
    in_grace: ListedCount
    open_disputes: ListedSums
    failed_from: datetime
    failed_payments: ListedSums
    anomalies: list[CountedAnomalies]
    parked_jobs: ListedCount | None
