"""Persons: who is meant by a customer's id, an e-mail address or the merchant's own id."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta

from api.http.errors import ApiError
from api.http.parameters import Text, text
from api.http.questions import Past
from domain.field_readers import TEXT_CHARS_MAX
from projections.read_models import claims
from projections.read_models.claims import Asked

if TYPE_CHECKING:
    from api.queries.read_side import ReadSide
    from api.queries.time_travel import Then

PERSONS_MAX: Final = 100
"""So many customers are told of at the most; one more is found, to tell that there are more."""
CLAIMS_MAX: Final = 10
"""So many claims of each are told, of purchases before those of checkouts, the newest first."""
WAYS: Final = ("customer_id", "email", "external_id")
"""How a person is named: by one of them."""

Email = Annotated[
    str,
    text(TEXT_CHARS_MAX),
    Meta(description="Only with this e-mail address, in upper or lower case."),
]
ExternalId = Annotated[
    str,
    text(TEXT_CHARS_MAX),
    Meta(
        description="Only those who claim this id of yours: it stands in metadata under a key that"
        " RAPHUS_EXTERNAL_ID names. Buyers can write metadata; there may be several."
    ),
]


class PersonQuery(Past, frozen=True, kw_only=True):
    """Asks about a person, who is named in exactly one of three ways."""

    customer_id: Annotated[Text | None, Meta(description="Only this customer of Dodo's.")] = None
    email: Email | None = None
    external_id: ExternalId | None = None


class Claim(msgspec.Struct, frozen=True):
    """What says that a customer is meant: an object or a notice, and the newest webhook of it.

    `key` is where it stands in the body's `data`: `metadata.user_id`, `customer.metadata.user_id`,
    `customer.email` or `customer_id`.
    """

    kind: str
    id: str
    key: str
    webhook_id: str


class Person(msgspec.Struct, frozen=True):
    """A customer who claims what is asked by, and what says so.

    Buyers can write what claims rest on. Where several customers claim one id, each is a person
    of his own, and none of them takes anything from another.
    """

    business_id: str
    customer_id: str
    claims: list[Claim]


def asked_by(read_side: ReadSide, query: PersonQuery) -> Asked:
    """Return what is asked by.

    Raises:
        ApiError: 400; not exactly one is given.
    """
    given = query.given(*WAYS)
    if len(given) != 1:
        expected = f"exactly one of {', '.join(WAYS[:-1])} and {WAYS[-1]}"
        told = "several are given" if given else "none is given"
        message = f"who is asked about is told by {expected}; {told}"
        raise ApiError(400, "invalid_parameter", message, {"expected": list(WAYS)})
    keys = read_side.rules.external_id_keys
    return Asked(query.customer_id, query.email, query.external_id, keys)


async def persons(
    read_side: ReadSide, asked: Asked, then: Then, business_id: str | None = None
) -> list[Person]:
    """Return every customer who claims what is asked by, the first to appear first.

    Who was named by an abandoned checkout or another notice alone comes after those who have
    bought something. An empty list is an unknown person; one of more than `PERSONS_MAX` has been
    cut behind the next.

    Raises:
        ApiError: 503; the database is away, or what was known then is still being prepared.
    """
    statement = claims.page(
        asked,
        as_of=then.as_of,
        business_id=business_id,
        persons_max=PERSONS_MAX + 1,
        claims_max=CLAIMS_MAX,
    )
    rows = await read_side.snapshots.rows(statement, then.known_position)
    found = groupby(map(claims.read, rows), key=lambda one: (one.business_id, one.customer_id))
    return [
        Person(*named, [Claim(one.kind, one.id, one.key, one.webhook_id) for one in own])
        for named, own in found
    ]
