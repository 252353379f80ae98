"""The list of customers: whom a merchant finds by an e-mail address or by an id of his own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from msgspec import Meta

from api.http.cursors import Cursor
from api.http.operations import Operation
from api.http.pagination import Page
from api.http.parameters import Text
from api.http.questions import PastPage
from api.queries.persons import Email, ExternalId
from api.queries.time_travel import then_of
from api.resources.customers import customers_then
from domain.customer import Customer
from projections.read_models import customers
from projections.read_models.claims import Asked

if TYPE_CHECKING:
    from api.queries.read_side import ReadSide
    from api.queries.time_travel import Then
    from projections.read_models.customers import Place

BusinessId = Annotated[Text, Meta(description="Only of this business.")]
CURSOR: Final = Cursor("customers", int)


class CustomersQuery(PastPage[int], frozen=True, kw_only=True):
    """Asks for a page of customers."""

    email: Email | None = None
    external_id: ExternalId | None = None
    business_id: BusinessId | None = None
    cursor: Annotated[int | None, CURSOR.meta] = None


async def _list(read_side: ReadSide, query: CustomersQuery) -> Page[Customer]:
    if not read_side.may_tell_of(query.business_id):
        return Page([], None)
    limit, keys = query.limit, read_side.rules.external_id_keys
    then = await then_of(read_side, query)
    asked = [Asked(email=query.email)] if query.email is not None else []
    if query.external_id is not None:
        asked.append(Asked(external_id=query.external_id, keys=keys))
    statement = customers.page(
        asked,
        business_id=query.business_id or read_side.business_id,
        as_of=then.as_of,
        before=query.cursor,
        limit=limit + 1,
    )
    rows = await read_side.snapshots.rows(statement, then.known_position)
    places = [customers.read_place(row) for row in rows[:limit]]
    following = CURSOR.write(places[-1].first_position) if len(rows) > limit else None
    return Page(await _customers(read_side, places, then), following)


async def _customers(read_side: ReadSide, places: list[Place], then: Then) -> list[Customer]:
    ids = [place.customer_id for place in places]
    if then.as_of is None:
        statement = customers.by_ids(ids)
        rows = await read_side.snapshots.rows(statement, then.known_position)
        read = [customers.read(row) for row in rows]
        found = {(one.business_id, one.customer_id): one for one in read}
    else:
        found = await customers_then(read_side, ids, then)
    listed = [found.get((place.business_id, place.customer_id)) for place in places]
    # Between the two statements a late webhook may have given a customer's only thing to another.
    return [one for one in listed if one is not None]


LIST_CUSTOMERS: Final = Operation["ReadSide", CustomersQuery, Page[Customer]](
    path="/v1/customers",
    name="list_customers",
    summary="List customers, the last to appear first.",
    handle=_list,
    takes=CustomersQuery,
    answers=Page[Customer],
)
