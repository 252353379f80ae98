"""Why a field of an object has its value, now or at a time of the past."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from api.http.errors import never_seen
from api.http.operations import MIN_POSITION, Operation
from api.http.parameters import Declared, choice, path_text
from api.queries.time_travel import (
    AS_OF,
    KNOWN_AT,
    Then,
    aggregate_then,
    payment_then,
    then_of,
)
from domain.entity import spoken
from domain.explanation.explain import (
    Explanation,
    UnknownEntityError,
    by_payment,
    explain,
    lacks_customer,
)

if TYPE_CHECKING:
    from api.http.parameters import Arguments
    from api.queries.read_side import ReadSide
    from domain.aggregate import Aggregate
    from projections.listing import Listing


def explanation_of(listing: Listing[Any]) -> Operation[ReadSide, Explanation]:
    """Return the operation that explains a field of one object of a kind."""
    kind = listing.kind
    object_id = path_text("id", f"Dodo's id of the {spoken(kind)}.")
    names = listing.entity.__struct_fields__
    field = choice("field", "The field to explain.", names, default="status")

    async def handle(read_side: ReadSide, arguments: Arguments) -> Explanation:
        then = await then_of(read_side, arguments)
        was = await aggregate_then(read_side, listing, arguments[object_id], then)
        try:
            explanation = explain(was, kind, arguments[object_id], arguments[field])
        except UnknownEntityError as error:
            raise never_seen(kind) from error
        return await _by_payment(read_side, was, explanation, then)

    return Operation(
        path=f"/v1/{listing.resource}/{{id:path}}/explain",
        name=f"explain_{kind}",
        summary=f"Explain why a field of one {spoken(kind)} has its value.",
        handle=handle,
        answers=Explanation,
        takes=Declared((object_id,), (field, AS_OF, KNOWN_AT, MIN_POSITION)),
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
