"""Who is meant by an id of the merchant's, an e-mail address or Dodo's id, and what says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta

from api.http.operations import Operation
from api.http.parameters import Text
from api.http.questions import Past
from api.queries.persons import PERSONS_MAX, Person, asked_by, persons
from api.queries.time_travel import then_of
from api.resources.customers_list import BusinessId, Email, ExternalId

if TYPE_CHECKING:
    from api.queries.read_side import ReadSide


class PersonsQuery(Past, frozen=True, kw_only=True):
    """Asks by exactly one of Dodo's id, an e-mail address and the merchant's own id."""

    customer_id: Annotated[Text | None, Meta(description="Only this customer of Dodo's.")] = None
    email: Email | None = None
    external_id: ExternalId | None = None
    business_id: BusinessId | None = None


class Persons(msgspec.Struct, frozen=True):
    """Every customer who claims what is asked by, the first to appear first.

    There may be none, and `several`. Of more than a hundred, the first hundred are told, and
    `more` is true.
    """

    persons: list[Person]
    several: bool
    more: bool


async def _persons(read_side: ReadSide, query: PersonsQuery) -> Persons:
    asked = asked_by(
        read_side,
        customer_id=query.customer_id,
        email=query.email,
        external_id=query.external_id,
    )
    then = await then_of(read_side, query)
    found = await persons(read_side, asked, then, query.business_id)
    return Persons(found[:PERSONS_MAX], len(found) > 1, len(found) > PERSONS_MAX)


LIST_PERSONS: Final = Operation["ReadSide", PersonsQuery, Persons](
    path="/v1/persons",
    name="list_persons",
    summary="List the customers who claim an id or an e-mail address, with what says so.",
    handle=_persons,
    takes=PersonsQuery,
    answers=Persons,
)
