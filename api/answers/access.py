"""Whether somebody may in, and on what evidence."""

from __future__ import annotations

from datetime import datetime

import msgspec

from api.answers.persons import Person
from domain.access.access import Access
from domain.access.doubts import Doubt


class LastWebhook(msgspec.Struct, frozen=True):
    """The newest webhook of a business that the answer knows of."""

    business_id: str
    webhook_id: str
    type: str
    occurred_at: datetime | None
    recorded_at: datetime


class Freshness(msgspec.Struct, frozen=True):
    """How far the answer knows the log: to a position, and the age in s of what it lacks.

    `lag_s` is 0 where it lacks nothing. `last_webhooks` has one of each business concerned.
    """

    position: str
    lag_s: float
    last_webhooks: list[LastWebhook]


class AccessAnswer(Access, frozen=True, kw_only=True):
    """Whether there is access `at` an instant, by the policy in force.

    `until` is the instant at which the answer changes by time alone; null where none is known.
    `customers` are all who are, or claim to be, the person, who bought first first: what any of
    them has counts.
    """

    at: datetime
    product_id: str | None
    product_name: str | None
    customers: list[Person]
    doubts: list[Doubt]
    freshness: Freshness
