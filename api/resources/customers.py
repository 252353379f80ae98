"""What a customer has, and what happened to all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from api.http.cursors import Cursor
from api.http.errors import never_seen
from api.http.operations import MIN_POSITION, Operation
from api.http.pagination import LIMIT, Page, page
from api.http.parameters import Declared, path_text
from api.queries.time_travel import AS_OF, KNOWN_AT, Then
from api.resources.timelines import read_line
from domain.timeline import Entry
from projections.read_models import customers, identities, timeline

if TYPE_CHECKING:
    from api.http.parameters import Arguments
    from api.queries.read_side import ReadSide

CUSTOMER_ID: Final = path_text("id", "Dodo's id of the customer.")
CURSOR: Final = Cursor("customer", timeline.TimelineKey)
_NEVER_SEEN: Final = {404: "No customer with this id has been seen."}


async def _customer(read_side: ReadSide, arguments: Arguments) -> customers.Customer:
    customer_id, as_of = arguments[CUSTOMER_ID], arguments[AS_OF]
    position = await read_side.snapshots.position(arguments[KNOWN_AT])
    if as_of is not None:
        was = await customer_then(read_side, customer_id, Then(as_of, position))
        if was is None:
            raise never_seen("customer")
        return was
    rows = await read_side.snapshots.rows(customers.by_id(customer_id), position)
    if not rows:
        raise never_seen("customer")
    return customers.read(rows[0])


async def customer_then(
    read_side: ReadSide, customer_id: str, then: Then, business_id: str | None = None
) -> customers.Customer | None:
    """Return a customer as of an instant, of the tenant given or the first; None if none was there.

    Raises:
        ApiError: 503; the database is away, or what was known then is still being prepared.
    """
    assert then.as_of is not None
    asked = customers.objects_then(customer_id, then.as_of)
    objects = await read_side.snapshots.rows(asked, then.known_position)
    asked = identities.said_then(customer_id, then.as_of)
    said = await read_side.snapshots.rows(asked, then.known_position)
    told = [identities.read_said(row) for row in said]
    return customers.add_up(customer_id, objects, told, then.as_of, business_id)


async def _timeline(read_side: ReadSide, arguments: Arguments) -> Page[Entry]:
    limit, after = arguments[LIMIT], arguments[CURSOR.parameter]
    statement = timeline.of_customer(
        arguments[CUSTOMER_ID], as_of=arguments[AS_OF], after=after, limit=limit + 1
    )
    position = await read_side.snapshots.position(arguments[KNOWN_AT])
    rows = await read_side.snapshots.rows(statement, position)
    if not rows and after is None:
        # Nothing has happened to one whom only a notice names; of nobody else it is asked.
        await _customer(read_side, arguments)
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
