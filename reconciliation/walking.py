"""Reads a list of Dodo's API as looks, page by page, from any place of it to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from dodo.walk import Place, Walk
from domain.look import Look

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from dodo.client import Dodo, Page
    from dodo.walk import Step
    from reconciliation.things import Leg

_decode: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode: Final = msgspec.json.Encoder().encode


class Walked(NamedTuple):
    """Things of a list with their ids, as looks, and the place to go on at once they are kept."""

    ids: list[str]
    looks: list[Look]
    place: Place


def walk(dodo: Dodo, leg: Leg, place: Place, business_id: str) -> Iterator[Walked]:
    """Yield what is in a list.

    Raises:
        UnreadableAnswerError: a page is not one of Dodo's; those before it are as they were.
        DodoError: Dodo cannot be asked.
    """
    for step in Walk(dodo, leg.endpoint, *leg.ids, place=place):
        yield Walked([item.id for item in step.items], _looks(leg, step, business_id), step.place)


def page_of(dodo: Dodo, leg: Leg, number: int, until: datetime) -> Page:
    """Read a page of all that is in a list, by its number.

    Raises:
        DodoError: it cannot be read.
    """
    endpoint = leg.endpoint
    asked = {endpoint.until: until.isoformat()} if endpoint.until else {}
    return dodo.page(endpoint, number, *leg.ids, parameters=asked)


def _looks(leg: Leg, step: Step, business_id: str) -> list[Look]:
    return [
        Look(
            kind=leg.endpoint.kind,
            business_id=business_id,
            at=step.at,
            endpoint=leg.endpoint.source,
            data=_without(item.data, leg.endpoint.left_out),
            asked=leg.asked,
        )
        for item in step.items
    ]


def _without(item: bytes, left_out: frozenset[str]) -> bytes:
    """Leave out the fields that mean something else than in the whole object."""
    if not left_out:
        return item
    said = _decode(item)
    kept = {name: value for name, value in said.items() if name not in left_out}
    return item if len(kept) == len(said) else _encode(kept)
