"""Resources: the objects of each kind, as a list and one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from api.answers import json_answer
from api.cursors import Cursor
from api.operations import MIN_POSITION, Operation
from api.pages import LIMIT, Item, Page, page
from api.parameters import Declared, Parameter, flag, instant, path_text, text
from api.past import AS_OF, KNOWN_AT, entity_then, is_asked
from api.spoken import never_seen, spoken

if TYPE_CHECKING:
    from api.answers import Answer
    from api.database import Row
    from api.parameters import Given
    from api.services import Reading
    from projections.listing import Listing

_FILTERS: Final[tuple[Parameter[Any], ...]] = (
    text("business_id", "Only of this business."),
    text("status", "Only with this status."),
    text("customer_id", "Only of this customer."),
    text("product_id", "Only of this product."),
    instant("created_at_gte", "Only created at this time or later."),
    instant("created_at_lte", "Only created at this time or earlier."),
    flag("active", "Only those that are active (true), or are not (false)."),
    flag("open", "Only those that are open (true), or are not (false)."),
)
_FILTER: Final = {parameter.name: parameter for parameter in _FILTERS}


def listed(listing: Listing[Any]) -> Operation[Reading]:
    """Return the operation that lists the objects of a kind."""
    filters = tuple(_FILTER[name] for name in listing.filters)
    cursor = Cursor(listing.resource, int)

    def read(row: Row) -> Item[int]:
        return Item(*listing.read(row))

    async def handle(services: Reading, given: Given) -> Answer:
        limit, before = given[LIMIT], given[cursor.parameter]
        statement = listing.page(given.among(filters), before=before, limit=limit + 1)
        return page(await services.database.rows(statement), limit, read, cursor)

    return Operation(
        path=f"/v1/{listing.resource}",
        name=f"list_{listing.resource}",
        summary=f"List {spoken(listing.resource)}, the last to appear first.",
        handle=handle,
        answers=Page[listing.entity],  # type: ignore[name-defined]  # a value, for the schema
        takes=Declared(query=(*filters, LIMIT, cursor.parameter, MIN_POSITION)),
    )


def one(listing: Listing[Any], kind: str) -> Operation[Reading]:
    """Return the operation that gives one object of a kind."""
    object_id = path_text("id", f"Dodo's id of the {spoken(kind)}.")

    async def handle(services: Reading, given: Given) -> Answer:
        if is_asked(given):
            entity = await entity_then(services, listing, kind, given[object_id], given)
            return json_answer(entity)
        row = await services.database.row(listing.one(given[object_id]))
        if row is None:
            raise never_seen(kind)
        return json_answer(listing.read(row).entity)

    return Operation(
        path=f"/v1/{listing.resource}/{{id:path}}",
        name=f"get_{kind}",
        summary=f"Get one {spoken(kind)}.",
        handle=handle,
        answers=listing.entity,
        takes=Declared(path=(object_id,), query=(AS_OF, KNOWN_AT, MIN_POSITION)),
        may_fail={404: f"No {spoken(kind)} with this id was there."},
    )
