"""Who is meant by an id of the merchant's, an e-mail address or Dodo's id, and what says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from api.http.operations import MIN_POSITION, Operation
from api.http.parameters import Declared, text
from api.queries.persons import PERSONS_MAX, Person, asked_by, persons
from api.queries.time_travel import AS_OF, KNOWN_AT, then_of
from api.resources.customers_list import BUSINESS_ID, EMAIL, EXTERNAL_ID

if TYPE_CHECKING:
    from api.http.parameters import Arguments
    from api.queries.read_side import ReadSide

CUSTOMER_ID: Final = text("customer_id", "Only this customer of Dodo's.")


class Persons(msgspec.Struct, frozen=True):
    """Every customer who claims what is asked by, the first to appear first.

    There may be none, and `several`. Of more than a hundred, the first hundred are told, and
    `more` is true.
    """

    persons: list[Person]
    several: bool
    more: bool


async def _persons(read_side: ReadSide, arguments: Arguments) -> Persons:
    asked = asked_by(
        read_side,
        customer_id=arguments[CUSTOMER_ID],
        email=arguments[EMAIL],
        external_id=arguments[EXTERNAL_ID],
    )
    then = await then_of(read_side, arguments)
    found = await persons(read_side, asked, then, arguments[BUSINESS_ID])
    return Persons(found[:PERSONS_MAX], len(found) > 1, len(found) > PERSONS_MAX)


LIST_PERSONS: Final = Operation["ReadSide", Persons](
    path="/v1/persons",
    name="list_persons",
    summary="List the customers who claim an id or an e-mail address, with what says so.",
    handle=_persons,
    answers=Persons,
    takes=Declared(
        query=(CUSTOMER_ID, EMAIL, EXTERNAL_ID, BUSINESS_ID, AS_OF, KNOWN_AT, MIN_POSITION)
    ),
)
