"""Why a field of an object has its value, now or at a time of the past."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta

from api.http.errors import never_seen
from api.http.operations import Operation
from api.http.parameters import one_of
from api.http.questions import narrowed
from api.queries.time_travel import Then, aggregate_then, grant_then, payment_then, then_of
from api.resources.object_query import ObjectQuery, id_of
from domain.entity import spoken
from domain.explanation.explain import (
    Explanation,
    UnknownEntityError,
    by_grant,
    by_payment,
    explain,
    lacks_customer,
)

if TYPE_CHECKING:
    from api.queries.read_side import ReadSide
    from domain.aggregate import Aggregate
    from projections.listing import Listing


class FieldQuery(ObjectQuery, frozen=True, kw_only=True):
    """Asks for why a field of one object has its value."""

    field: str = "status"


def explanation_of(listing: Listing[Any]) -> Operation[ReadSide, FieldQuery, Explanation]:
    """Return the operation that explains a field of one object of a kind."""
    kind = listing.kind
    names = listing.entity.__struct_fields__
    of_kind: Any = Annotated[
        Literal[names], one_of(names), Meta(description="The field to explain.")
    ]

    async def handle(read_side: ReadSide, query: FieldQuery) -> Explanation:
        then = await then_of(read_side, query)
        was = await aggregate_then(read_side, listing, query.id, then)
        try:
            explanation = explain(was, kind, query.id, query.field)
        except UnknownEntityError as error:
            raise never_seen(kind) from error
        if kind == "license_key" and query.field == "status":
            return await _by_grant(read_side, was, explanation, then)
        return await _by_payment(read_side, was, explanation, then)

    return Operation(
        path=f"/v1/{listing.resource}/{{id:path}}/explain",
        name=f"explain_{kind}",
        summary=f"Explain why a field of one {spoken(kind)} has its value.",
        handle=handle,
        takes=narrowed(FieldQuery, f"explain_{kind}", id=id_of(kind), field=of_kind),
        answers=Explanation,
        may_fail={404: f"No {spoken(kind)} with this id was there."},
    )


async def _by_payment(
    read_side: ReadSide, was: Aggregate, explanation: Explanation, then: Then
) -> Explanation:
    """Explain a customer by the payment, where the object's own data lacks it."""
    if not lacks_customer(explanation):
        return explanation
    payment_id = explain(was, explanation.kind, explanation.id, "payment_id").value
    if not isinstance(payment_id, str):
        return explanation
    payment = await payment_then(read_side, was, payment_id, then)
    return by_payment(explanation, payment) if payment else explanation


async def _by_grant(
    read_side: ReadSide, was: Aggregate, explanation: Explanation, then: Then
) -> Explanation:
    """Explain the status of a licence key by the grant that it came by, where it follows that."""
    key = was.find(explanation.kind, explanation.id)
    grant = await grant_then(read_side, key.entity, then) if key else None
    if grant is None:
        return explanation
    theirs = explain(grant[0], "entitlement_grant", grant[1], "status")
    return by_grant(explanation, theirs)
