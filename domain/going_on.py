"""A fold that goes on from where it stood: what the first events of a stream add up to, carried.

The whole fold is the same code, from nothing. What is carried is what facts behind ask for: see
docs/decisions/0056-a-fold-goes-on-from-where-it-stood.md.
"""

from __future__ import annotations

from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

import msgspec

from domain.access.holding import HeldBefore, held_up_to
from domain.aggregate import Base
from domain.aggregates.catalogue import KINDS
from domain.aggregates.credit import ledger_up_to
from domain.aggregates.entitlement_grant import KeyBefore, key_up_to
from domain.aggregates.payment import PaidForBefore, paid_for_up_to
from domain.aggregates.product import PriceBefore, price_up_to
from domain.anomalies.rules import SpansBefore, spans_up_to
from domain.anomalies.situation import SituationBefore, situation_up_to
from domain.credits.account import LedgerBefore
from domain.identities import SaidBefore, said_up_to
from domain.periods import PeriodsBefore, periods_up_to
from domain.revenue.recurring import RecurringBefore, recurring_up_to
from domain.revenue.takings import TakingsBefore, takings_up_to
from domain.timeline import FoldedBefore, folded_up_to

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from domain.aggregate import Aggregate


def _folded(aggregate: Aggregate) -> object:
    ((named, folded),) = aggregate.folded().items()
    return folded_up_to(KINDS[named[0]], folded)


_Carried: TypeAlias = "Mapping[type, Callable[[Aggregate], object]]"
_OF_ALL: Final[_Carried] = {
    FoldedBefore: _folded,
    PeriodsBefore: periods_up_to,
    SituationBefore: situation_up_to,
    SpansBefore: spans_up_to,
    SaidBefore: said_up_to,
    HeldBefore: held_up_to,
}
_OF_KIND: Final[Mapping[str, _Carried]] = {
    "subscription": {RecurringBefore: recurring_up_to},
    "payment": {PaidForBefore: paid_for_up_to, TakingsBefore: takings_up_to},
    "refund": {TakingsBefore: takings_up_to},
    "dispute": {TakingsBefore: takings_up_to},
    "entitlement_grant": {KeyBefore: key_up_to},
    "credit": {LedgerBefore: ledger_up_to},
    "product": {PriceBefore: price_up_to},
}


@cache
def _carried(kind: str) -> _Carried:
    """Return what each of those who follow the facts of a kind asks of what was before them."""
    return {**_OF_ALL, **_OF_KIND.get(kind, {})}


def base_of(aggregate: Aggregate) -> Base:
    """Return what the events of a stream about one thing, and what was before, add up to."""
    ((kind, _),) = aggregate.folded()
    carried = {of_type: carry(aggregate) for of_type, carry in _carried(kind).items()}
    return Base(aggregate.version, carried)


def gone_on(aggregate: Aggregate, open_min: int) -> Aggregate | None:
    """Return the same aggregate as it goes on from a base of all but its last facts.

    Left open are at least so many events, with all that end behind where these begin: what comes a
    little late is among them. None where nothing is before them, or one of them reaches further
    back, or it is about several things.
    """
    readings = aggregate.readings()
    if any(named != readings[0][0] for named, _ in readings):
        return None
    extents = aggregate.extents()
    last_first = sorted(extents, key=attrgetter("end"), reverse=True)
    opens_at = min(begin for begin, _ in last_first[:open_min])
    before = [place for place, (_, end) in enumerate(extents) if end < opens_at]
    open_ = [place for place, (_, end) in enumerate(extents) if end >= opens_at]
    if not before or any(extents[place].begin < opens_at for place in open_):
        return None
    return aggregate.part(open_, base_of(aggregate.part(before, aggregate.base)))


def goes_on(aggregate: Aggregate) -> bool:
    """Tell whether all events of an aggregate with a base come behind that, and are of its thing.

    That none shares a webhook-id with an event that the base stands for is known otherwise.
    """
    before: FoldedBefore[Any] | None = aggregate.carried(FoldedBefore)
    assert before is not None, "it has a base"
    assert aggregate.base is not None, "it has a base"
    is_of_it = all(one == (before.kind, before.id) for one, _ in aggregate.readings())
    return is_of_it and aggregate.begins_at > ends_at(aggregate.base)


def ends_at(base: Base) -> datetime:
    """Return when the last of what a base stands for occurred."""
    folded: Any = base.carried[FoldedBefore]
    ledger: Any = base.carried.get(LedgerBefore)
    last_at: datetime = folded.last.occurred_at
    return max(last_at, ledger.last_at) if ledger and ledger.last_at else last_at


def encode(base: Base) -> bytes | None:
    """Return what is carried as JSON; None where that would not lead back to the same."""
    folded: Any = base.carried[FoldedBefore]
    carried = [base.carried[of_type] for of_type in _carried(folded.kind)]
    written = _encode({folded.kind: carried})
    try:
        same = decode(base.version, written) == base
    except msgspec.MsgspecError:
        return None
    return written if same else None


def decode(version: int, written: bytes) -> Base:
    """Read what `encode` wrote of the first events of a stream.

    Raises:
        msgspec.MsgspecError: it is something else.
    """
    ((kind, carried),) = _decode_by_kind(written).items()
    if kind not in KINDS:
        raise msgspec.ValidationError("it is of no kind")
    return Base(version, dict(zip(_carried(kind), _decoder(kind).decode(carried), strict=True)))


_encode: Final = msgspec.json.Encoder().encode
_decode_by_kind: Final = msgspec.json.Decoder(
    Annotated[dict[str, msgspec.Raw], msgspec.Meta(min_length=1, max_length=1)]
).decode


@cache
def _decoder(kind: str) -> msgspec.json.Decoder[Any]:
    payload = KINDS[kind].payloads.of_type
    folded: Any = FoldedBefore[payload]  # type: ignore[valid-type]
    _, *others = _carried(kind)
    shape: Any = tuple.__class_getitem__((folded, *others))
    return msgspec.json.Decoder(shape)
