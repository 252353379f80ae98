"""The list of customers: whom a merchant finds by an e-mail address or by an id of his own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from api.http.cursors import Cursor
from api.http.operations import MIN_POSITION, Operation
from api.http.pagination import LIMIT, Page
from api.http.parameters import Declared, text
from api.queries.time_travel import AS_OF, KNOWN_AT, then_of
from api.resources.customers import customer_then
from domain.field_readers import TEXT_CHARS_MAX
from projections.read_models import customers
from projections.read_models.claims import Asked

if TYPE_CHECKING:
    from api.http.parameters import Arguments
    from api.queries.read_side import ReadSide
    from api.queries.time_travel import Then
    from projections.read_models.customers import Customer, Place

EMAIL: Final = text(
    "email", "Only with this e-mail address, in upper or lower case.", TEXT_CHARS_MAX
)
EXTERNAL_ID: Final = text(
    "external_id",
    "Only those who claim this id of yours: it stands in metadata under a key that"
    " RAPHUS_EXTERNAL_ID names. Buyers can write metadata; there may be several.",
    TEXT_CHARS_MAX,
)
BUSINESS_ID: Final = text("business_id", "Only of this business.")
CURSOR: Final = Cursor("customers", int)


async def _list(read_side: ReadSide, arguments: Arguments) -> Page[Customer]:
    limit, keys = arguments[LIMIT], read_side.external_id_keys
    email, external_id = arguments[EMAIL], arguments[EXTERNAL_ID]
    then = await then_of(read_side, arguments)
    asked = [Asked(email=email)] if email is not None else []
    asked += [Asked(external_id=external_id, keys=keys)] if external_id is not None else []
    statement = customers.page(
        asked,
        business_id=arguments[BUSINESS_ID],
        as_of=then.as_of,
        before=arguments[CURSOR.parameter],
        limit=limit + 1,
    )
    rows = await read_side.snapshots.rows(statement, then.known_position)
    places = [customers.read_place(row) for row in rows[:limit]]
    following = CURSOR.write(places[-1].first_position) if len(rows) > limit else None
    return Page(await _customers(read_side, places, then), following)


async def _customers(
    read_side: ReadSide, places: list[Place], then: Then
) -> list[customers.Customer]:
    if then.as_of is None:
        statement = customers.by_ids([place.customer_id for place in places])
        rows = await read_side.snapshots.rows(statement, then.known_position)
        read = [customers.read(row) for row in rows]
        found = {(one.business_id, one.customer_id): one for one in read}
        listed = [found.get((place.business_id, place.customer_id)) for place in places]
    else:
        listed = [
            await customer_then(read_side, place.customer_id, then, place.business_id)
            for place in places
        ]
    # Between the two statements a late webhook may have given a customer's only thing to another.
    return [one for one in listed if one is not None]


LIST_CUSTOMERS: Final = Operation["ReadSide", Page[customers.Customer]](
    path="/v1/customers",
    name="list_customers",
    summary="List customers, the last to appear first.",
    handle=_list,
    answers=Page[customers.Customer],
    takes=Declared(
        query=(
            EMAIL,
            EXTERNAL_ID,
            BUSINESS_ID,
            LIMIT,
            CURSOR.parameter,
            AS_OF,
            KNOWN_AT,
            MIN_POSITION,
        )
    ),
)
