"""How one object of a kind is asked for."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from api.http.parameters import Text
from api.http.questions import Past
from domain.entity import spoken


class ObjectQuery(Past, frozen=True, kw_only=True):
    """Asks for one object; each kind says whose `id` it is."""

    id: str


def id_of(kind: str) -> Any:  # noqa: ANN401 -- a type
    """Return the type of the id of an object of a kind."""
    return Annotated[Text, Meta(description=f"Dodo's id of the {spoken(kind)}.")]
