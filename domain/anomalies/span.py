"""From when until when something held that is wrong, or that is wrong together with another."""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

import msgspec

Said: TypeAlias = "str | int | bool | None"


class Named(msgspec.Struct, frozen=True):
    """A thing of Dodo's, by its kind's name and Dodo's id."""

    kind: str
    id: str


class Testimony(msgspec.Struct, frozen=True):
    """A webhook that an anomaly rests on, and what follows from it: fields, each with its value.

    Times are RFC 3339 in UTC.
    """

    kind: str
    id: str
    webhook_id: str
    type: str
    occurred_at: datetime
    fields: dict[str, str | int | bool | None]


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A half-open span of occurrence time in which a rule's condition held of one thing.

    It begins at `opened_at`, which may lie in the future: then it begins unless something comes
    before. It holds up to, but not at, `settled_at`; None is until now. `about` is empty where this
    is an anomaly by itself; else it names what the condition is about, by which a rule over several
    aggregates finds others of the same business. `began_at` is when what holds was begun, where
    that may be earlier. `amount` is in minor units of `currency`. All but the two ends is as it was
    when it opened.
    """

    code: str
    kind: str
    id: str
    business_id: str
    about: str = ""
    customer_id: str | None
    opened_at: datetime
    settled_at: datetime | None
    began_at: datetime | None = None
    amount: int | None
    currency: str | None
    objects: tuple[Named, ...]
    evidence: tuple[Testimony, ...]
