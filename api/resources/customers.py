"""What a customer has, and what happened to all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from msgspec import Meta

from api.answers.named import NamedEntry
from api.http.cursors import Cursor
from api.http.errors import never_seen
from api.http.operations import Operation
from api.http.pagination import Page, page
from api.http.parameters import Order, Text
from api.http.questions import LIMIT_DEFAULT, Limit, Past
from api.queries.time_travel import rows_then, then_of
from api.resources.timelines import read_line
from domain.customer import Customer
from projections.read_models import customers, identities, timeline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.queries.read_side import ReadSide
    from api.queries.time_travel import Then

CURSOR: Final = Cursor("customer", timeline.TimelineKey)
_NEVER_SEEN: Final = {404: "No customer with this id has been seen."}


class CustomerQuery(Past, frozen=True, kw_only=True):
    """Asks for one customer."""

    id: Annotated[Text, Meta(description="Dodo's id of the customer.")]


class CustomerPage(CustomerQuery, frozen=True, kw_only=True):
    """Asks for a page of what happened to everything of a customer."""

    limit: Limit = LIMIT_DEFAULT
    order: Order = "asc"
    cursor: Annotated[timeline.TimelineKey | None, CURSOR.meta] = None


async def _customer(read_side: ReadSide, query: CustomerQuery) -> Customer:
    then = await then_of(read_side, query)
    if then.as_of is not None:
        return await _customer_then(read_side, query.id, then)
    statement = customers.by_id(query.id, read_side.business_id)
    rows = await read_side.snapshots.rows(statement, then.known_position)
    if not rows:
        raise never_seen("customer")
    return customers.read(rows[0])


async def _customer_then(read_side: ReadSide, customer_id: str, then: Then) -> Customer:
    """Return a customer as of an instant, of the tenant that may be told of or the first."""
    found = await customers_then(read_side, [customer_id], then)
    tenant = read_side.business_id or min((tenant for tenant, _ in found), default="")
    was = found.get((tenant, customer_id))
    if was is None:
        raise never_seen("customer")
    return was


async def customers_then(
    read_side: ReadSide, customer_ids: Sequence[str], then: Then
) -> dict[tuple[str, str], Customer]:
    """Return customers as of an instant, of every tenant, by business and id.

    Raises:
        ApiError: 503; the database is away, or what was known then is still being prepared.
    """
    assert then.as_of is not None
    asked = customers.objects_then(customer_ids, then.as_of)
    objects = await read_side.snapshots.rows(asked, then.known_position)
    asked = identities.said_then(customer_ids, then.as_of)
    said = await read_side.snapshots.rows(asked, then.known_position)
    return customers.add_up(objects, identities.by_customer(said), then.as_of)


async def customer_timeline(read_side: ReadSide, query: CustomerPage) -> Page[NamedEntry]:
    """Read a page of what happened to everything of a customer.

    Raises:
        ApiError: 404; no such customer has been seen, or was there at that time. 503.
    """
    statement = timeline.of_customer(
        query.id,
        as_of=query.as_of,
        after=query.cursor,
        limit=query.limit + 1,
        business_id=read_side.business_id,
        newest_first=query.order == "desc",
    )
    rows = await rows_then(read_side, query, statement)
    if not rows and query.cursor is None:
        # Nothing has happened to one whom only a notice names; of nobody else it is asked.
        await _customer(read_side, query)
    found = page(rows, query.limit, read_line, CURSOR)
    return Page(await read_side.names.in_changes(found.items), found.next)


GET_CUSTOMER: Final = Operation["ReadSide", CustomerQuery, Customer](
    path="/v1/customers/{id:path}",
    name="get_customer",
    summary="Get what a customer has, as counts and totals.",
    handle=_customer,
    takes=CustomerQuery,
    answers=Customer,
    may_fail=_NEVER_SEEN,
)
GET_CUSTOMER_TIMELINE: Final = Operation["ReadSide", CustomerPage, Page[NamedEntry]](
    path="/v1/customers/{id:path}/timeline",
    name="get_customer_timeline",
    summary="Get what happened to everything of a customer, in the order it occurred unless asked.",
    handle=customer_timeline,
    takes=CustomerPage,
    answers=Page[NamedEntry],
    may_fail=_NEVER_SEEN,
)
