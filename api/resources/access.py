"""Whether somebody may in, until when, why, on what evidence, and how sure that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from msgspec import Meta

from api.answers.access import AccessAnswer
from api.answers.named import called, with_names
from api.answers.persons import Person
from api.http.operations import Operation
from api.http.parameters import Text
from api.queries.holdings import gather
from api.queries.persons import PersonQuery
from domain.access.access import access
from domain.access.doubts import doubts

if TYPE_CHECKING:
    from api.queries.read_side import ReadSide


class AccessQuery(PersonQuery, frozen=True, kw_only=True):
    """Asks whether a person has access."""

    product_id: Annotated[
        Text | None, Meta(description="Access to this product; without it, to any.")
    ] = None


async def _access(read_side: ReadSide, query: AccessQuery) -> AccessAnswer:
    found, product_id = await gather(read_side, query, Person), query.product_id
    policy = read_side.rules.policy.current()
    answer = access(found.holdings, found.at, policy, product_id, is_known=found.is_known)
    names = await read_side.names.of(found.products(product_id))
    answer = with_names(answer, names)
    # Of another product it may be doubted what it likes.
    about = [
        one
        for one in found.holdings
        if product_id is None or not one.product_ids or product_id in one.product_ids
    ]
    return AccessAnswer(
        answer.access,
        answer.until,
        answer.reason,
        answer.rests_on,
        at=found.at,
        product_id=product_id,
        product_name=called(names, product_id),
        customers=found.customers,
        doubts=[*found.doubts, *doubts(about, found.at)],
        freshness=found.freshness,
    )


GET_ACCESS: Final = Operation["ReadSide", AccessQuery, AccessAnswer](
    path="/v1/access",
    name="get_access",
    summary="Tell whether somebody has access, until when, why, and on what evidence.",
    handle=_access,
    takes=AccessQuery,
    answers=AccessAnswer,
    scope="access",
)
