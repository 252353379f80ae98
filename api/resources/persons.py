"""Who is meant by an id of the merchant's, an e-mail address or Dodo's id, and what says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from api.http.operations import Operation
from api.queries.persons import PERSONS_MAX, Person, PersonQuery, asked_by, persons
from api.queries.time_travel import then_of
from api.resources.customers_list import BusinessId

if TYPE_CHECKING:
    from api.queries.read_side import ReadSide


class PersonsQuery(PersonQuery, frozen=True, kw_only=True):
    """Asks for the customers that a person may be."""

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
    asked = asked_by(read_side, query)
    then = await then_of(read_side, query)
    if not read_side.may_tell_of(query.business_id):
        return Persons([], several=False, more=False)
    business_id = query.business_id or read_side.business_id
    found = await persons(read_side, asked, then, business_id)
    return Persons(found[:PERSONS_MAX], len(found) > 1, len(found) > PERSONS_MAX)


LIST_PERSONS: Final = Operation["ReadSide", PersonsQuery, Persons](
    path="/v1/persons",
    name="list_persons",
    summary="List the customers who claim an id or an e-mail address, with what says so.",
    handle=_persons,
    takes=PersonsQuery,
    answers=Persons,
)
