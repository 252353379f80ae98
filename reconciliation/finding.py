"""What a look at Dodo shows against what was known here, as a person and a program want it told."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from domain.aggregates.catalogue import KINDS
from domain.lateness import MISSING_AFTER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from domain.comparison import Comparison
    from domain.entity import Entity, Kind

FIELDS_MAX: Final = 20


class Outcome(StrEnum):
    """What came of one look."""

    AGREED = "agreed"
    """Dodo says what was known."""
    LOST = "lost"
    """Webhooks were sent that are not here."""
    UNKNOWN = "unknown"
    """Only Dodo knew it: no webhook about it is here."""
    CHANGED = "changed"
    """Fields differ of which no webhook tells."""
    MISSING = "missing"
    """Dodo no longer has it."""
    AWAITED = "awaited"
    """It has happened so lately that its webhook may be on its way."""
    REFRESHED = "refreshed"
    """What was not known is known now, and no webhook should have told it."""


TOLD: Final = (Outcome.LOST, Outcome.UNKNOWN, Outcome.CHANGED, Outcome.MISSING)
"""The outcomes that are findings."""
FAILING: Final = (Outcome.LOST, Outcome.UNKNOWN, Outcome.MISSING)
"""The outcomes for which a check fails: in the others nothing was lost."""
WITHOUT_WEBHOOKS: Final = frozenset({"customer", "product"})
"""The kinds of which no webhook tells, so that none can be lost."""
IN_FLIGHT: Final = timedelta(minutes=5)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one look has found, other than what was known.

    `types` are those of the webhooks any of which would have told of it, one where that is clear
    and none where it cannot be said. `since` is when it happened as far as Dodo tells, else when
    the thing was last heard of. Dodo sends a webhook again for about a day, so one that is not here
    `may_still_come`. `amount` is the money that it is about, in minor units of `currency`; of a
    subscription, what it charges a period before tax. `fields` are the names of those that differ.
    """

    kind: str
    id: str
    customer_id: str | None
    outcome: Outcome
    status_here: str | None
    status_at_dodo: str | None
    types: tuple[str, ...]
    since: datetime
    may_still_come: bool
    amount: int | None
    currency: str | None
    fields: tuple[str, ...]
    looked_at: datetime


_OF_STATE: Final = frozenset(
    {
        "status",
        "folded_status",
        "observed_status",
        "drift",
        "history",
        "refused",
        "occurred_at",
        "missing_since",
        "settled",
    }
)
"""What is told by other words than that a field differs."""
_OPEN: Final[tuple[object, ...]] = (None, (), {})
_HAPPENED: Final[Mapping[str, str]] = {
    "cancelled": "cancelled_at",
    "paused": "paused_at",
    "expired": "expires_at",
    "renewed": "previous_billing_date",
    "delivered": "delivered_at",
    "revoked": "revoked_at",
}
"""The fields that tell when an event happened."""
_AMOUNTS: Final = ("total_amount", "amount", "recurring_pre_tax_amount")


class _Seen(NamedTuple):
    """A thing as it was known before a look, and as it is known with it."""

    kind: Kind
    before: Entity | None
    after: Entity
    at: datetime


def found(compared: Comparison) -> tuple[Outcome, Finding | None]:
    """Tell what a look against what was known comes to, and what of it is worth telling."""
    look, before, after = compared.look, compared.before, compared.after
    if not compared.changes or after is None or (look.data is None and before is None):
        return Outcome.AGREED, None
    if look.kind in WITHOUT_WEBHOOKS:
        return Outcome.REFRESHED, None
    seen = _Seen(KINDS[look.kind], before and before.entity, after.entity, look.at)
    if look.data is None:
        return Outcome.MISSING, _finding(seen, Outcome.MISSING, look.at)
    finding = _difference(seen)
    if finding.outcome is Outcome.CHANGED and not finding.fields:
        return Outcome.REFRESHED, None
    if finding.may_still_come and look.at - finding.since < IN_FLIGHT:
        return Outcome.AWAITED, None
    return finding.outcome, finding


def _difference(seen: _Seen) -> Finding:
    before, after = seen.before, seen.after
    if before is None:
        words = _leading_to(seen.kind, None, after.status)
        return _finding(seen, Outcome.UNKNOWN, _since(words, seen), words)
    words = _lost(seen.kind, before, after)
    unseen = before.drift is not None or before.history == "partial"
    entered = _entries(after) > _entries(before) or _unexplained(after) != _unexplained(before)
    moved = before.status != after.status and after.status not in seen.kind.machine.unheralded
    is_lost = words or moved or unseen or entered
    outcome = Outcome.LOST if is_lost else Outcome.CHANGED
    return _finding(seen, outcome, _since(words, seen), words)


def _finding(
    seen: _Seen, outcome: Outcome, since: datetime, words: tuple[str, ...] = ()
) -> Finding:
    kind, before, entity, at = seen
    amounts = (getattr(entity, name, None) for name in _AMOUNTS)
    amount = next((one for one in amounts if isinstance(one, int)), None)
    announced = outcome in {Outcome.LOST, Outcome.UNKNOWN}
    return Finding(
        kind=kind.name,
        id=str(getattr(entity, kind.id_field)),
        customer_id=entity.customer_id,
        outcome=outcome,
        status_here=before.status if before else None,
        status_at_dodo=None if outcome is Outcome.MISSING else entity.status,
        types=tuple(f"{kind.name}.{word}" for word in words),
        since=since,
        may_still_come=announced and at - since < MISSING_AFTER,
        amount=amount,
        currency=getattr(entity, "currency", None) if amount is not None else None,
        fields=_differing(before, entity) if before else (),
        looked_at=at,
    )


def _entries(entity: Entity) -> int:
    """Count the entries of an account's ledger, each of which a webhook tells of."""
    return int(getattr(entity, "entries", 0))


def _unexplained(entity: Entity) -> object:
    """Return what entries that are missing must have changed: a check does not read them."""
    return getattr(entity, "unexplained", None) or 0


def _differing(before: Entity, after: Entity) -> tuple[str, ...]:
    """Return the fields that were known to have another value: a list leaves many open."""
    names = (name for name in after.__struct_fields__ if name not in _OF_STATE)
    known = (name for name in names if getattr(before, name) not in _OPEN)
    differ = [name for name in known if getattr(before, name) != getattr(after, name)]
    return tuple(differ[:FIELDS_MAX])


def _lost(kind: Kind, before: Entity, after: Entity) -> tuple[str, ...]:
    """Return the words of the webhooks that would have told of it, of a thing that was known."""
    tell = _BY_FIELDS.get(kind.name)
    word = tell(before, after) if tell else None
    state = before.folded_status
    if word is not None and _leads(kind, state, word) == after.status:
        return (word,)
    told_by_none = state == after.status or after.status in kind.machine.unheralded
    return () if told_by_none else _leading_to(kind, state, after.status)


def _leading_to(kind: Kind, state: str | None, to: str | None) -> tuple[str, ...]:
    """Return the events that lead from one state into another; one that is named so, alone."""
    if to is not None and to in kind.machine.events:
        # Where it does not lead there at once, several were lost, of which this is the last.
        return (to,)
    words = kind.machine.words
    return tuple(word for word in words if to is not None and _leads(kind, state, word) == to)


def _leads(kind: Kind, state: str | None, word: str) -> str | None:
    known = state if state in kind.machine.states else None
    return kind.machine.judge(known, word).to


def _of_subscription(before: Entity, after: Entity) -> str | None:
    differing = _differing(before, after)
    charged, known = (getattr(one, "previous_billing_date", None) for one in (after, before))
    if charged is not None and (known is None or charged > known) and after.status == "active":
        return "renewed"
    if {"product_id", "quantity", "addons"} & set(differing):
        return "plan_changed"
    if "payment_method_id" in differing:
        return "update_payment_method"
    return "updated" if differing else None


_BY_FIELDS: Final[Mapping[str, Callable[[Entity, Entity], str | None]]] = {
    "subscription": _of_subscription,
}
"""What the fields of a thing tell of the webhook that was lost, where its state does not."""


def _since(words: tuple[str, ...], seen: _Seen) -> datetime:
    before, after = seen.before, seen.after
    said = (getattr(after, _HAPPENED.get(word, ""), None) for word in words)
    told = [one for one in said if isinstance(one, datetime) and one <= seen.at]
    if told:
        return max(told)
    if before is None:
        return min(after.created_at, seen.at)
    return before.drift.observed_at if before.drift else before.occurred_at
