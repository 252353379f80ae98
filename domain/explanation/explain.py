"""Which deliveries gave a field its value, which were passed over, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from domain.aggregates.catalogue import THROUGH_PAYMENT
from domain.aggregates.license_key import followed
from domain.explanation.evidence import Source, evidence
from domain.explanation.rules import rule_of

if TYPE_CHECKING:
    from domain.aggregate import Aggregate

SOURCES_MAX: Final = 100
"""An explanation shows so many sources of each sort, the newest, and counts them all."""

Value: TypeAlias = "str | int | float | bool | list[Any] | dict[str, Any] | None"


class UnknownEntityError(LookupError):
    """The aggregate knows no such thing, or did not know it then."""


class UnknownFieldError(ValueError):
    """The thing has no such field; the message names those that it has."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why a field has its value. The sources stand newest first, `SOURCES_MAX` at the most.

    `value` is the field's, as in JSON. `set_by` are the deliveries that it follows from: one
    as a rule, several for a sum, none where nothing has said anything. `since` is the delivery
    from which on it has been so. `passed_over` are facts that were refused, and observations
    that said otherwise or could not be followed. `note` is a sentence where there is more to say.
    """

    kind: str
    id: str
    field: str
    value: Value
    set_by: list[Source]
    set_by_count: int
    since: Source | None
    passed_over: list[Source]
    passed_over_count: int
    note: str | None


def explain(aggregate: Aggregate, kind: str, entity_id: str, field: str) -> Explanation:
    """Explain why a field of a thing has the value that it has.

    What it was in the past is explained by the aggregate as it was (`Aggregate.at`).

    Raises:
        UnknownEntityError: the aggregate knows no such thing.
        UnknownFieldError: the thing has no such field.
    """
    known = aggregate.find(kind, entity_id)
    if known is None:
        raise UnknownEntityError(f"there is no {kind} {entity_id}")
    fields = known.entity.__struct_fields__
    if field not in fields:
        raise UnknownFieldError(f"a {kind} has no field {field}; it has {', '.join(fields)}")
    value = msgspec.to_builtins(getattr(known.entity, field))
    grounds = rule_of(known.kind, field)(evidence(aggregate, known), field)
    return Explanation(
        kind=kind,
        id=entity_id,
        field=field,
        value=list(value) if isinstance(value, tuple) else value,
        set_by=grounds.set_by[:SOURCES_MAX],
        set_by_count=len(grounds.set_by),
        since=grounds.since,
        passed_over=grounds.passed_over[:SOURCES_MAX],
        passed_over_count=len(grounds.passed_over),
        note=grounds.note,
    )


def lacks_customer(explanation: Explanation) -> bool:
    """Tell whether what was explained is a customer that only the payment can say."""
    unsaid = explanation.field == "customer_id" and explanation.value is None
    return unsaid and explanation.kind in THROUGH_PAYMENT


def by_payment(own: Explanation, payment: Aggregate) -> Explanation:
    """Explain a customer that the thing's own data does not say by what its payment's say.

    What is explained stays the thing's; the sources are the payment's deliveries. Where these do
    not say it either, or none has been seen, the explanation is `own`.
    """
    for known in payment.entities():
        if known.kind.name == "payment":
            payment_id: str = getattr(known.entity, known.kind.id_field)
            theirs = explain(payment, "payment", payment_id, own.field)
            note = f"Its own data does not say it; it is its payment's ({payment_id})."
            named = msgspec.structs.replace(theirs, kind=own.kind, id=own.id, note=note)
            return own if theirs.value is None else named
    return own


def by_grant(own: Explanation, grant: Explanation) -> Explanation:
    """Explain the status of a licence key by that of the grant that it came by.

    Where the key does not follow its grant, the explanation is `own`.
    """
    status, granted = own.value, grant.value
    known = status if isinstance(status, str) else None
    value = followed(known, granted if isinstance(granted, str) else None)
    if value == known:
        return own
    note = f"Its own data says {known}; it follows its grant ({grant.id}), which is {granted}."
    return msgspec.structs.replace(grant, kind=own.kind, id=own.id, value=value, note=note)
