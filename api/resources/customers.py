"""Customers: what one has, and what happened to all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from api.http.cursors import Cursor
from api.http.errors import never_seen
from api.http.operations import MIN_POSITION, Operation
from api.http.pagination import LIMIT, Page, page
from api.http.parameters import Declared, path_text
from api.queries.time_travel import AS_OF, KNOWN_AT
from api.resources.timelines import read_line
from domain.timeline import Entry
from projections.read_models import customers, timeline

if TYPE_CHECKING:
    from api.http.parameters import Given
    from api.queries.read_side import ReadSide

CUSTOMER_ID: Final = path_text("id", "Dodo's id of the customer.")
CURSOR: Final = Cursor("customer", timeline.Cursor)
_NEVER_SEEN: Final = {404: "No customer with this id has been seen."}


async def _one(read_side: ReadSide, given: Given) -> customers.Customer:
    customer_id, as_of = given[CUSTOMER_ID], given[AS_OF]
    position = await read_side.known.position(given[KNOWN_AT])
    if as_of is None:
        rows = await read_side.known.rows(customers.one(customer_id), position)
        found = [customers.read(row) for row in rows]
    else:
        rows = await read_side.known.rows(customers.objects_then(customer_id, as_of), position)
        found = [customers.add_up(customer_id, rows, as_of)] if rows else []
    if not found:
        raise never_seen("customer")
    return found[0]


async def _timeline(read_side: ReadSide, given: Given) -> Page[Entry]:
    limit, after = given[LIMIT], given[CURSOR.parameter]
    statement = timeline.of_customer(
        given[CUSTOMER_ID], as_of=given[AS_OF], after=after, limit=limit + 1
    )
    position = await read_side.known.position(given[KNOWN_AT])
    rows = await read_side.known.rows(statement, position)
    if not rows and after is None:
        raise never_seen("customer")
    return page(rows, limit, read_line, CURSOR)


GET_CUSTOMER: Final = Operation["ReadSide", customers.Customer](
    path="/v1/customers/{id:path}",
    name="get_customer",
    summary="Get what a customer has, as counts and totals.",
    handle=_one,
    answers=customers.Customer,
    takes=Declared((CUSTOMER_ID,), (AS_OF, KNOWN_AT, MIN_POSITION)),
    may_fail=_NEVER_SEEN,
)
GET_CUSTOMER_TIMELINE: Final = Operation["ReadSide", Page[Entry]](
    path="/v1/customers/{id:path}/timeline",
    name="get_customer_timeline",
    summary="Get what happened to everything of a customer, in the order it occurred.",
    handle=_timeline,
    answers=Page[Entry],
    takes=Declared((CUSTOMER_ID,), (LIMIT, CURSOR.parameter, AS_OF, KNOWN_AT, MIN_POSITION)),
    may_fail=_NEVER_SEEN,
)
