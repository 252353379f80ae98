"""Holdings: what somebody has, each with the fact that its status rests on."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from domain.aggregates.catalogue import KINDS
from domain.aggregates.payment import PaymentEntity
from domain.look import MISSING, topic_of
from domain.state_machine import Verdict

if TYPE_CHECKING:
    from domain.aggregate import Aggregate
    from domain.entity import Entity
    from domain.timeline import Entry


HELD: Final = frozenset(
    {"subscription", "payment", "refund", "dispute", "license_key", "entitlement_grant"}
)
"""The kinds of what gives access, or takes it away."""


class Holding(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A thing that somebody has, as it is known.

    `since` is when its status began. `webhook_id` and `occurred_at` are of the newest fact about it
    that is not refused, or of a look since that found it.
    """

    kind: str
    entity: Entity
    since: datetime
    webhook_id: str
    occurred_at: datetime

    @property
    def id(self) -> str:
        """Dodo's id."""
        found: str = getattr(self.entity, KINDS[self.kind].id_field)
        return found

    @property
    def product_ids(self) -> tuple[str, ...]:
        """The products that it is for, as far as it says so itself."""
        return products_named(self.entity)


class HeldBefore(msgspec.Struct, frozen=True):
    """When a fact, or a look, has moved a thing last, and the last of those that count.

    That is its webhook-id and when it occurred.
    """

    moved_at: datetime | None
    counts: tuple[str, datetime] | None


class Placed(msgspec.Struct, frozen=True, gc=False):
    """A holding, with the position of the first event about it."""

    first_position: int
    holding: Holding


def products_named(entity: Entity) -> tuple[str, ...]:
    """Return the products that a thing names itself."""
    if isinstance(entity, PaymentEntity):
        return entity.product_ids
    product_id: str | None = getattr(entity, "product_id", None)
    return () if product_id is None else (product_id,)


def holdings_of(aggregate: Aggregate) -> list[Holding]:
    """Return what the events of a stream are about that matters for access."""
    return [one.holding for one in placed_holdings_of(aggregate)]


def placed_holdings_of(aggregate: Aggregate) -> list[Placed]:
    """Return the same, each with its place."""
    return [_placed(aggregate, *named) for named in aggregate.folded() if named[0] in HELD]


def _placed(aggregate: Aggregate, kind: str, entity_id: str) -> Placed:
    known = aggregate.find(kind, entity_id)
    assert known is not None, "it has been folded"
    last = aggregate.folded()[kind, entity_id].entries[-1]
    moved_at, counts = _held(aggregate, kind, entity_id)
    assert last.occurred_at is not None, "only a notice has no time"
    webhook_id, occurred_at = counts or (last.webhook_id, last.occurred_at)
    since = _began_at(known.entity, moved_at)
    holding = Holding(kind, known.entity, since, webhook_id, occurred_at)
    return Placed(known.first_position, holding)


def held_up_to(aggregate: Aggregate) -> HeldBefore:
    """Return what is carried of a stream that is about one thing."""
    ((kind, entity_id),) = aggregate.folded()
    return HeldBefore(*_held(aggregate, kind, entity_id))


def _held(
    aggregate: Aggregate, kind: str, entity_id: str
) -> tuple[datetime | None, tuple[str, datetime] | None]:
    newest_first = aggregate.folded()[kind, entity_id].entries[::-1]
    before = aggregate.carried(HeldBefore) or HeldBefore(None, None)
    gone = topic_of(kind, MISSING)
    moved = (one.occurred_at for one in newest_first if _moves(one))
    count = (
        (one.webhook_id, one.occurred_at)
        for one in newest_first
        if one.verdict is not Verdict.REFUSED and one.type != gone and one.occurred_at
    )
    return next(moved, before.moved_at), next(count, before.counts)


def _moves(entry: Entry) -> bool:
    by_look = entry.verdict is None and entry.from_ != entry.to
    return by_look or entry.verdict is Verdict.APPLIED


def _began_at(entity: Entity, moved_at: datetime | None) -> datetime:
    # A status that follows an observation began when that was seen last.
    if entity.status != entity.folded_status and entity.drift is not None:
        return entity.drift.observed_at
    return moved_at or entity.created_at
