"""Persons: who is asked about, by a customer's id, an e-mail address or the merchant's own id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta

from api.http.errors import ApiError
from api.http.parameters import Text, text
from api.http.questions import Past
from domain.field_readers import TEXT_CHARS_MAX
from projections.read_models.claims import Asked
from projections.read_models.customers import SaidBy

if TYPE_CHECKING:
    from api.queries.read_side import ReadSide

PERSONS_MAX: Final = 100
"""So many customers count at the most."""
CLAIMS_MAX: Final = 10
"""So many claims of each are told, those of notices last, the newest first."""
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
    """A customer who is, or claims to be, who is asked about, and what says so.

    Buyers can write what claims rest on. Where several customers claim one id, each is a person
    of his own, and none of them takes anything from another.
    """

    business_id: str
    customer_id: str
    claims: list[Claim]


class Identified(Person, frozen=True):
    """One with what the newest facts say of him, and those facts, by the field's name."""

    email: str | None
    name: str | None
    phone_number: str | None
    metadata: dict[str, str]
    sources: dict[str, SaidBy]


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
