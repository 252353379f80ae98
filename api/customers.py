"""Customers: what one has, and what happened to all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from api.answers import Answer, json_answer
from api.cursors import Cursor
from api.operations import MIN_POSITION, Operation
from api.pages import LIMIT, Page, page
from api.parameters import Declared, path_text
from api.past import AS_OF, KNOWN_AT
from api.spoken import never_seen
from api.timelines import read_line
from domain.timeline import Entry
from projections.read_models import customers, timeline

if TYPE_CHECKING:
    from api.parameters import Given
    from api.services import Reading

CUSTOMER_ID: Final = path_text("id", "Dodo's id of the customer.")
CURSOR: Final = Cursor("customer", timeline.Cursor)
_NEVER_SEEN: Final = {404: "No customer with this id has been seen."}


async def _one(reading: Reading, given: Given) -> Answer:
    customer_id, as_of = given[CUSTOMER_ID], given[AS_OF]
    position = await reading.known.position(given[KNOWN_AT])
    if as_of is None:
        rows = await reading.known.rows(customers.one(customer_id), position)
        found = [customers.read(row) for row in rows]
    else:
        rows = await reading.known.rows(customers.objects_then(customer_id, as_of), position)
        found = [customers.add_up(customer_id, rows, as_of)] if rows else []
    if not found:
        raise never_seen("customer")
    return json_answer(found[0])


async def _timeline(reading: Reading, given: Given) -> Answer:
    limit, after = given[LIMIT], given[CURSOR.parameter]
    statement = timeline.of_customer(
        given[CUSTOMER_ID], as_of=given[AS_OF], after=after, limit=limit + 1
    )
    position = await reading.known.position(given[KNOWN_AT])
    rows = await reading.known.rows(statement, position)
    if not rows and after is None:
        raise never_seen("customer")
    return page(rows, limit, read_line, CURSOR)


GET_CUSTOMER: Final = Operation["Reading"](
    path="/v1/customers/{id:path}",
    name="get_customer",
    summary="Get what a customer has, as counts and totals.",
    handle=_one,
    answers=customers.Customer,
    takes=Declared((CUSTOMER_ID,), (AS_OF, KNOWN_AT, MIN_POSITION)),
    may_fail=_NEVER_SEEN,
)
GET_CUSTOMER_TIMELINE: Final = Operation["Reading"](
    path="/v1/customers/{id:path}/timeline",
    name="get_customer_timeline",
    summary="Get what happened to everything of a customer, in the order it occurred.",
    handle=_timeline,
    answers=Page[Entry],
    takes=Declared((CUSTOMER_ID,), (LIMIT, CURSOR.parameter, AS_OF, KNOWN_AT, MIN_POSITION)),
    may_fail=_NEVER_SEEN,
)
