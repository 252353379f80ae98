"""Persons: who is asked about, by a customer's id, an e-mail address or the merchant's own id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from msgspec import Meta

from api.http.errors import ApiError
from api.http.parameters import Text, text
from api.http.questions import Past
from domain.field_readers import TEXT_CHARS_MAX
from projections.read_models.claims import Asked

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
