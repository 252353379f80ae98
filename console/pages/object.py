"""One object: its state, and every field that is known of it."""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta

from api.http.parameters import Text
from api.http.questions import Query
from api.resources.customers import GET_CUSTOMER
from api.resources.events import GET_EVENT
from api.resources.objects import OBJECTS
from console.page import Page, View
from console.rendering.cells import cells_of
from console.visit import Visit
from domain.entity import spoken
from projections.read_models.catalogue import LISTINGS

_SAID_APART: Final = frozenset({"drift", "product_name", "product_names"})


class OfObject(Query, frozen=True, kw_only=True):
    """Asks for the page of one object."""

    id: Annotated[Text, Meta(description="Its id.")]


def _object_page(resource: str, kind: str, operation: Any) -> Page[OfObject]:  # noqa: ANN401
    async def handle(visit: Visit, query: OfObject) -> View:
        thing = await visit.ask(operation, id=query.id)
        names = [name for name in thing.__struct_fields__ if name not in _SAID_APART]
        data = {
            "kind": kind,
            "resource": resource,
            "id": query.id,
            "status": getattr(thing, "status", None),
            "cells": cells_of(thing, names),
        }
        return View("object.html", f"{spoken(kind).capitalize()} {query.id}", data)

    return Page(path=f"/{resource}/{{id:path}}", takes=OfObject, handle=handle)


OBJECT_PAGES: Final[tuple[Page[OfObject], ...]] = (
    _object_page("customers", "customer", GET_CUSTOMER),
    _object_page("events", "event", GET_EVENT),
    *(
        _object_page(resource, LISTINGS[resource].kind, objects.get)
        for resource, objects in OBJECTS.items()
    ),
)
"""The page of an object of each kind."""
