"""A made-up announcement of each type, as what a simulated merchant's customers do leads to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from domain.access.changes import changes, standing
from domain.access.holding import holdings_of
from domain.access.judgement import judge
from domain.access.policy import Policy
from domain.aggregates.announcement import FAMILY_OF, Announcement, Cause
from domain.aggregates.factory import aggregate
from domain.anomalies.announced import AnomalyChange, opened, settled
from domain.anomalies.rules import spans
from domain.delivery import Delivery
from domain.event import Event
from reconciliation.finished import SOURCE, ImportFinished, Walked
from workflows.outbox.due_facts import trigger

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import msgspec

    from domain.access.changes import AccessChange
    from domain.aggregate import Aggregate
    from workflows.trigger import Trigger

    Made: TypeAlias = Callable[[str, Aggregate, datetime], tuple[tuple[str, ...], msgspec.Struct]]

FACTS: Final = {
    "access.granted": "subscription.active",
    "access.revoked": "subscription.on_hold",
    "anomaly.opened": "subscription.active",
    "anomaly.settled": "subscription.active",
    "import.finished": "subscription.active",
}
"""The types of announcements, each with that of the fact that is made up for it."""


def announced(type_: str, stream: Aggregate, at: datetime) -> Trigger:
    """Return the announcement of a type that a stream leads to, whose last event is its fact."""
    family = FAMILY_OF[type_]
    subject, data = _MADE[family](type_, stream, at)
    made = Announcement(type_, stream.business_id, subject, at, data)
    delivery = Delivery("raphus_announcement_sample", "", "", made.body)
    event = Event(made.stream, 1, type_, delivery, position=1, recorded_at=at)
    found = trigger(aggregate(made.stream, [event]), delivery.webhook_id)
    assert found is not None, "an announcement can be read"
    return found


def _access(type_: str, stream: Aggregate, at: datetime) -> tuple[tuple[str, ...], AccessChange]:
    holdings = holdings_of(stream)
    (holding,) = holdings
    customer_id = holding.entity.customer_id or ""
    fact = stream.events[-1]
    cause = Cause(kind="webhook", webhook_id=fact.delivery.webhook_id, type=fact.topic)
    told = holding.product_ids if type_ == "access.revoked" else ()
    stands = standing(judge(holdings, at, Policy()))
    (change,) = changes(told, stands, customer_id, cause)
    return (customer_id,), change


def _anomaly(type_: str, stream: Aggregate, at: datetime) -> tuple[tuple[str, ...], AnomalyChange]:
    overdue = next(span for span in spans(stream) if span.code == "overdue")
    money = overdue.amount, overdue.currency
    change = opened(
        overdue.code,
        overdue.opened_at,
        overdue.customer_id,
        money,
        overdue.objects,
        overdue.evidence,
    )
    if type_ == "anomaly.settled":
        change = settled(
            change, at, (stream.events[-1].delivery.webhook_id, "subscription.renewed")
        )
    return (change.kind, change.id), change


def _import(_type: str, _stream: Aggregate, at: datetime) -> tuple[tuple[str, ...], ImportFinished]:
    walks = Walked("payments", 120, 3), Walked("subscriptions", 40, 0)
    finished = ImportFinished(
        source=SOURCE,
        mode="live_mode",
        began_at=at,
        ended_at=at,
        objects=160,
        news=3,
        walks=walks,
    )
    return ("live_mode",), finished


_MADE: Final[dict[str, Made]] = {
    "access": _access,
    "anomaly": _anomaly,
    "import": _import,
}
