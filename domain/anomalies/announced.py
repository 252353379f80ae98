"""An anomaly as it is announced: that it has opened, or has settled."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from domain.aggregates.announcement import Cause
from domain.anomalies.catalogue import CODES, told
from domain.anomalies.span import Named

if TYPE_CHECKING:
    from domain.anomalies.span import Testimony


class Witness(msgspec.Struct, frozen=True):
    """A webhook that an anomaly rests on."""

    kind: str
    id: str
    webhook_id: str
    type: str
    occurred_at: datetime


class AnomalyChange(msgspec.Struct, frozen=True, kw_only=True):
    """That something is wrong `since` an instant, or was so `until` one.

    All but `until` and `cause` is as it was told when it opened. What has settled without `until`
    never was: a webhook that came late says so. `objects` are what it is about, `kind` and `id`
    first; `amount` is in minor units of `currency`.
    """

    code: str
    text: str
    action: str
    kind: str
    id: str
    customer_id: str | None
    objects: tuple[Named, ...]
    amount: int | None
    currency: str | None
    evidence: tuple[Witness, ...]
    since: datetime
    until: datetime | None
    cause: Cause


EVIDENCE_MAX: Final = 20


def opened(
    code: str,
    since: datetime,
    customer_id: str | None,
    money: tuple[int | None, str | None],
    objects: tuple[Named, ...],
    evidence: tuple[Testimony, ...],
) -> AnomalyChange:
    """Tell of an anomaly that has opened: by a webhook of that very time, or by time alone."""
    thing, *others = objects
    amount, currency = money
    by = next((one for one in evidence if one.occurred_at == since), None)
    return AnomalyChange(
        code=code,
        text=told(code, thing, others, evidence, currency),
        action=CODES[code].action,
        kind=thing.kind,
        id=thing.id,
        customer_id=customer_id,
        objects=objects,
        amount=amount,
        currency=currency,
        evidence=tuple(
            Witness(one.kind, one.id, one.webhook_id, one.type, one.occurred_at)
            for one in evidence[:EVIDENCE_MAX]
        ),
        since=since,
        until=None,
        cause=Cause(kind="clock", at=since)
        if by is None
        else Cause(kind="webhook", webhook_id=by.webhook_id, type=by.type, at=since),
    )


def settled(
    change: AnomalyChange, until: datetime | None, by: tuple[str, str] | None
) -> AnomalyChange:
    """Tell of one that has settled: by the webhook with an id, of a type, where that is known.

    What settled before it was told to have opened was something else.
    """
    if until is not None and until <= change.since:
        until = by = None
    webhook_id, type_ = by or (None, None)
    cause = Cause(kind="webhook", webhook_id=webhook_id, type=type_, at=until)
    return msgspec.structs.replace(change, until=until, cause=cause)
