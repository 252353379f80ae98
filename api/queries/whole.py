"""Who a customer is, and what says so, where all rows about him are in hand."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Final, TypeVar, cast

from api.answers.persons import Claim, Identified, Person
from api.queries.persons import CLAIMS_MAX
from projections.read_models.claims import NOTICED
from projections.read_models.customers import newest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from projections.read_models.whole import Said

AnyPerson = TypeVar("AnyPerson", bound=Person)
_NEWNESS: Final = attrgetter("newness")


def persons_of(customer_id: str, said: Iterable[Said], whose: type[AnyPerson]) -> list[AnyPerson]:
    """Return the customers with an id, one of each business in which a thing names him now."""
    of_business: dict[str, list[Said]] = {}
    for one in said:
        of_business.setdefault(one.business_id, []).append(one)
    return [
        cast("AnyPerson", person)
        for business_id in sorted(of_business)
        if (person := _person(business_id, customer_id, of_business[business_id], whose))
    ]


def _person(
    business_id: str, customer_id: str, said: list[Said], whose: type[AnyPerson]
) -> Person | None:
    naming = [one for one in said if one.is_said_now]
    if not naming:
        return None
    naming.sort(key=_place_of_claim)
    claims = [Claim(one.kind, one.id, "customer_id", one.webhook_id) for one in naming[:CLAIMS_MAX]]
    if whose is not Identified:
        return Person(business_id, customer_id, claims)
    said.sort(key=_NEWNESS, reverse=True)
    return Identified(business_id, customer_id, claims, **newest(said))


def _place_of_claim(one: Said) -> tuple[bool, int]:
    return one.kind in NOTICED, -one.first_position
