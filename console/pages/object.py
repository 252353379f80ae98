"""One object: its state and how sure that is, its way through it, and why each field is so."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

from msgspec import Meta

from api.http.cursors import CHARS_MAX
from api.http.parameters import Text, text
from api.http.questions import Query
from api.resources.anomalies import LIST_ANOMALIES
from api.resources.objects import OBJECTS
from api.withholding import PERSONAL, withheld_fields
from console.drawing.machine import machine_picture
from console.page import Page, View
from console.pages.history import history
from console.rendering.cells import Cell, cells_of
from console.visit import Visit
from domain.access.doubts import doubts_of
from domain.entity import spoken
from projections.read_models.catalogue import LISTINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from api.answers.anomalies import Anomaly
    from api.resources.objects import Objects
    from domain.access.doubts import Doubt
    from domain.entity import Entity

_SAID_APART: Final = frozenset(
    {
        "product_name",
        "product_names",
        "status",
        "drift",
        "history",
        "refused",
        "settled",
        "missing_since",
        "folded_status",
        "observed_status",
        "anomaly",
    }
)
"""What is no field of Dodo's: names that stand beside ids, and how sure all of it is."""
_SURENESS: Final = (
    "status",
    "folded_status",
    "observed_status",
    "history",
    "refused",
    "settled",
    "missing_since",
    "anomaly",
)
"""What tells how the state is known; each can be explained."""
Cursor = Annotated[str, text(CHARS_MAX)]


class OfObject(Query, frozen=True, kw_only=True):
    """Asks for the page of one object."""

    id: Annotated[Text, Meta(description="Its id.")]
    cursor: Annotated[Cursor | None, Meta(description="Where its timeline goes on.")] = None


class Field(NamedTuple):
    """A field as it is shown; what is withheld from who looks has no value."""

    cell: Cell
    is_withheld: bool

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show."""
        return self.cell.sort == "nothing" and not self.is_withheld


class Related(NamedTuple):
    """A list of what names the object, as it is asked for."""

    resource: str
    filter: str


def _object_page(resource: str, objects: Objects[Any]) -> Page[OfObject]:
    listing = LISTINGS[resource]
    kind = listing.kind

    async def handle(visit: Visit, query: OfObject) -> View:
        thing, (timeline, walk) = await asyncio.gather(
            visit.ask(objects.get, id=query.id),
            history(visit, objects.timeline, query.id, query.cursor),
        )
        data = {
            "kind": kind,
            "resource": resource,
            "id": query.id,
            "thing": thing,
            "belongs_to": _belongs_to(thing, listing.id_field),
            "fields": _fields(visit, thing, _of_dodo(thing)),
            "sureness": _sureness(visit, thing),
            "doubts": [one for one in doubts_of(kind, query.id, thing, visit.at) if _is_apart(one)],
            "anomalies": await _anomalies(visit, kind, query.id, thing.customer_id),
            "related": _related(kind),
            "machine": machine_picture(kind, thing, reversed(timeline.items)),
            "timeline": timeline,
            "walk": walk,
        }
        return View("object.html", f"{spoken(kind).capitalize()} {query.id}", data)

    return Page(path=f"/{resource}/{{id:path}}", takes=OfObject, handle=handle)


def _of_dodo(thing: Entity) -> Iterator[str]:
    return (name for name in thing.__struct_fields__ if name not in _SAID_APART)


def _sureness(visit: Visit, thing: Entity) -> list[Field]:
    names = [name for name in _SURENESS if name in thing.__struct_fields__]
    return _fields(visit, thing, names)


def _fields(visit: Visit, thing: Entity, names: Iterable[str]) -> list[Field]:
    personal = withheld_fields(type(thing), PERSONAL)
    hidden = frozenset[str]() if visit.caller.sees_persons else personal
    return [
        Field(cell, cell.name in hidden and getattr(thing, cell.name) is None)
        for cell in cells_of(thing, names)
    ]


def _belongs_to(thing: Entity, id_field: str) -> list[Cell]:
    """Return the fields that name other things."""
    names = (name for name in thing.__struct_fields__ if name != id_field)
    return [cell for cell in cells_of(thing, names) if cell.links]


def _is_apart(doubt: Doubt) -> bool:
    # Anomalies stand by themselves, with what to do.
    return doubt.code != "anomaly"


def _related(kind: str) -> list[Related]:
    named = f"{kind}_id"
    return [
        Related(resource, named)
        for resource, listing in LISTINGS.items()
        if listing.kind != kind and any(one.name == named for one in listing.filters)
    ]


async def _anomalies(visit: Visit, kind: str, id_: str, customer_id: str | None) -> list[Anomaly]:
    """Return what is wrong with an object, of the newest hundred of its customer, or its kind."""
    found = await visit.ask(LIST_ANOMALIES, kind=kind, customer_id=customer_id, limit=100)
    return [one for one in found.items if one.id == id_]


OBJECT_PAGES: Final[tuple[Page[OfObject], ...]] = tuple(
    _object_page(resource, objects) for resource, objects in OBJECTS.items()
)
"""The page of an object of each kind."""
