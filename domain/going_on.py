"""A fold that goes on from where it stood: what the first events of a stream add up to, carried.

The whole fold is the same code, from nothing. What is carried is what facts behind ask for: see
docs/decisions/0056-a-fold-goes-on-from-where-it-stood.md.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

import msgspec

from domain.access.holding import HeldBefore, held_up_to
from domain.aggregate import Aggregate, Base
from domain.aggregates.catalogue import KINDS
from domain.aggregates.subscription import SUBSCRIPTION
from domain.anomalies.rules import SpansBefore, spans_up_to
from domain.anomalies.situation import SituationBefore, situation_up_to
from domain.identities import SaidBefore, said_up_to
from domain.periods import PeriodsBefore, periods_up_to
from domain.revenue.recurring import RecurringBefore, recurring_up_to
from domain.timeline import FoldedBefore, folded_up_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime


def _folded(aggregate: Aggregate) -> object:
    ((named, folded),) = aggregate.folded().items()
    return folded_up_to(KINDS[named[0]], folded)


def _recurring(aggregate: Aggregate) -> object:
    of_subscription = SUBSCRIPTION in aggregate.kinds
    return recurring_up_to(aggregate) if of_subscription else RecurringBefore()


_CARRIED: Final[dict[type, Callable[[Aggregate], object]]] = {
    FoldedBefore: _folded,
    PeriodsBefore: periods_up_to,
    SituationBefore: situation_up_to,
    SpansBefore: spans_up_to,
    SaidBefore: said_up_to,
    HeldBefore: held_up_to,
    RecurringBefore: _recurring,
}
"""What each of those who follow the facts asks of what was before them."""


def base_of(aggregate: Aggregate) -> Base:
    """Return what the events of a stream that `goes_on`, and what was before them, add up to."""
    carried = {of_type: carry(aggregate) for of_type, carry in _CARRIED.items()}
    return Base(aggregate.version, carried)


def gone_on(aggregate: Aggregate, open_min: int) -> Aggregate | None:
    """Return the same aggregate as it goes on from a base of all but its last facts.

    Left open are at least so many events, with all that occurred at the instants of these: what
    comes a little late is among them. None where nothing is before them, or where it is about
    several things.
    """
    readings = aggregate.readings()
    if any(named != readings[0][0] for named, _ in readings):
        return None
    occurred = when_occurred(
        (said.event.delivery.webhook_id, said.occurred_at) for _, said in readings
    )
    opens_at = sorted(occurred)[-open_min:][0]
    before = [place for place, at in enumerate(occurred) if at < opens_at]
    if not before:
        return None
    open_ = [place for place, at in enumerate(occurred) if at >= opens_at]
    return aggregate.part(open_, base_of(aggregate.part(before, aggregate.base)))


def when_occurred(said: Iterable[tuple[str, datetime]]) -> list[datetime]:
    """Return, for each webhook-id with when its body says to have occurred, when its fact did.

    That is what the first of the bodies under the webhook-id says.
    """
    told = [*said]
    times: dict[str, datetime] = {}
    for webhook_id, at in told:
        times[webhook_id] = min(at, times.get(webhook_id, at))
    return [times[webhook_id] for webhook_id, _ in told]


def goes_on(aggregate: Aggregate) -> bool:
    """Tell whether all events of an aggregate with a base come behind that, and are of its thing.

    That none shares a webhook-id with an event that the base stands for is known otherwise.
    """
    before = aggregate.carried(FoldedBefore)
    assert before is not None, "it has a base"
    named, last_at = (before.kind, before.id), before.last.occurred_at
    return all(one == named and said.occurred_at > last_at for one, said in aggregate.readings())


def encode(base: Base) -> bytes | None:
    """Return what is carried as JSON; None where that would not lead back to the same."""
    written = _encode([base.carried[of_type] for of_type in _CARRIED])
    folded: Any = base.carried[FoldedBefore]
    try:
        same = decode(folded.kind, base.version, written) == base
    except msgspec.MsgspecError:
        return None
    return written if same else None


def decode(kind: str, version: int, written: bytes) -> Base:
    """Read what `encode` wrote of the first events of a stream about a thing of this kind.

    Raises:
        msgspec.MsgspecError: it is something else.
    """
    return Base(version, dict(zip(_CARRIED, _decoder(kind).decode(written), strict=True)))


_encode: Final = msgspec.json.Encoder().encode


@cache
def _decoder(kind: str) -> msgspec.json.Decoder[Any]:
    payload = KINDS[kind].payloads.of_type
    folded: Any = FoldedBefore[payload]  # type: ignore[valid-type]
    _, *others = _CARRIED
    shape: Any = tuple.__class_getitem__((folded, *others))
    return msgspec.json.Decoder(shape)
