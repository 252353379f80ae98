"""What a customer has, and what happened to all of it."""

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
    from api.http.parameters import Arguments
    from api.queries.read_side import ReadSide

CUSTOMER_ID: Final = path_text("id", "Dodo's id of the customer.")
CURSOR: Final = Cursor("customer", timeline.TimelineKey)
_NEVER_SEEN: Final = {404: "No customer with this id has been seen."}


async def _customer(read_side: ReadSide, arguments: Arguments) -> customers.Customer:
    customer_id, as_of = arguments[CUSTOMER_ID], arguments[AS_OF]
    position = await read_side.snapshots.position(arguments[KNOWN_AT])
    if as_of is None:
        statement = customers.by_id(customer_id, read_side.business_id)
    else:
        statement = customers.objects_then(customer_id, as_of, read_side.business_id)
    rows = await read_side.snapshots.rows(statement, position)
    if not rows:
        raise never_seen("customer")
    if as_of is None:
        return customers.read(rows[0])
    return customers.add_up(customer_id, rows, as_of)


async def _timeline(read_side: ReadSide, arguments: Arguments) -> Page[Entry]:
    limit, after = arguments[LIMIT], arguments[CURSOR.parameter]
    statement = timeline.of_customer(
        arguments[CUSTOMER_ID],
        as_of=arguments[AS_OF],
        after=after,
        limit=limit + 1,
        business_id=read_side.business_id,
    )
    position = await read_side.snapshots.position(arguments[KNOWN_AT])
    rows = await read_side.snapshots.rows(statement, position)
    if not rows and after is None:
        raise never_seen("customer")
    return page(rows, limit, read_line, CURSOR)


GET_CUSTOMER: Final = Operation["ReadSide", customers.Customer](
    path="/v1/customers/{id:path}",
    name="get_customer",
    summary="Get what a customer has, as counts and totals.",
    handle=_customer,
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
