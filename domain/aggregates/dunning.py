"""Dodo's reminders to somebody who did not pay, or left: one attempt after the other."""

from __future__ import annotations

from typing import ClassVar

from domain.aggregate import Aggregate
from domain.entity import CREATED_AT, Entity, Kind
from domain.state_machine import Machine

STATES = {
    "recovering": "The customer is being asked to come back.",
    "recovered": "The customer has paid.",
    "exhausted": "It was given up; the subscription stays as it is.",
}
EVENTS = {
    "started": "The first reminder is due.",
    "recovered": "The customer has paid.",
}
RANKS = {"started": 500, "recovered": 510}
# Source: docs/dodo.md, section 6. Dodo does not announce that it gives up.
MACHINE = Machine(
    kind="dunning",
    states=STATES,
    events=EVENTS,
    ranks=RANKS,
    final=frozenset({"recovered"}),
    unheralded=frozenset({"exhausted"}),
    grid="""
            started     recovered
(none)      recovering  recovered?
recovering  =           recovered
recovered   =           =
exhausted   =           recovered
""",
)


class DunningEntity(Entity, kw_only=True):
    """An attempt as it is known, named by its subscription and the time it was created.

    `trigger_state` is what befell the subscription: on_hold, past_due or cancelled. `payment_id` is
    the payment that ended the attempt.
    """

    id: str
    subscription_id: str
    trigger_state: str | None
    payment_id: str | None
    brand_id: str | None


DUNNING = Kind(
    MACHINE,
    DunningEntity,
    "id",
    named_by=("subscription_id", CREATED_AT),
    stream_fields=("subscription_id",),
)


class Dunning(Aggregate):
    """The stream of all attempts for one subscription."""

    kinds: ClassVar[tuple[Kind, ...]] = (DUNNING,)
