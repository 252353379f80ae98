"""Doubts: what makes an answer less sure than the webhooks that it rests on."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from domain.aggregates.subscription import SubscriptionEntity, due_at
from domain.entity import spoken
from domain.lateness import missing_from

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from domain.access.holding import Holding
    from domain.entity import Entity


class Doubt(msgspec.Struct, frozen=True):
    """What is doubtful of a thing: a `code` for programs, a `text` for people."""

    kind: str
    id: str
    code: Literal["drift", "partial", "refused", "anomaly", "overdue", "missing", "several", "cut"]
    text: str


def doubts(holdings: Iterable[Holding], at: datetime) -> list[Doubt]:
    """Tell what is doubtful at an instant, in the order of the holdings."""
    return [doubt for one in holdings for doubt in doubts_of(one.kind, one.id, one.entity, at)]


def doubts_of(kind: str, id_: str, entity: Entity, at: datetime) -> Iterator[Doubt]:
    """Tell what is doubtful of one thing at an instant."""
    named = f"{spoken(kind).capitalize()} {id_}"
    if entity.drift is not None:
        last, folded = entity.drift.observed, entity.drift.folded or "no state"
        text = f"{named}: Dodo last said {last}, while its webhooks lead to {folded}."
        yield Doubt(kind, id_, "drift", text)
    if entity.history == "partial":
        text = f"{named}: a webhook that must have come before was never seen."
        yield Doubt(kind, id_, "partial", text)
    # Of what came before, Dodo has said since what is so.
    if refused := entity.refused - entity.settled:
        count = (
            "1 fact is no valid transition"
            if refused == 1
            else (f"{refused} facts are no valid transitions")
        )
        yield Doubt(kind, id_, "refused", f"{named}: {count}.")
    if (anomaly := getattr(entity, "anomaly", None)) is not None:
        yield Doubt(kind, id_, "anomaly", f"{named}: {anomaly}.")
    if entity.missing_since is not None:
        text = f"{named}: Dodo has not had it since {entity.missing_since:%Y-%m-%d %H:%M:%S} UTC."
        yield Doubt(kind, id_, "missing", text)
    if (due := overdue(entity, at)) is not None:
        text = f"{named}: nothing was heard of what was due {due:%Y-%m-%d %H:%M:%S} UTC."
        yield Doubt(kind, id_, "overdue", text)


def overdue(entity: Entity, at: datetime) -> datetime | None:
    """Return the instant by which a webhook about a subscription should have come, and has not."""
    if not isinstance(entity, SubscriptionEntity):
        return None
    due = due_at(
        entity.status,
        on_demand=entity.on_demand,
        next_billing_date=entity.next_billing_date,
        past_due_ends_at=entity.past_due_ends_at,
    )
    missing = None if due is None else missing_from(due)
    return due if missing is not None and at >= missing else None
