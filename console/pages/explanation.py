"""Why a field of an object has its value: what set it, since when, and what was passed over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from msgspec import Meta

from api.http.errors import ApiError, InvalidParameterError
from api.http.parameters import Text
from api.http.questions import Query
from api.resources.objects import OBJECTS
from api.withholding import PERSONAL, withheld_fields
from console.page import Page, View
from console.rendering.cells import cell_of
from console.rendering.words import path_of
from console.visit import Visit
from domain.entity import spoken
from projections.read_models.catalogue import LISTINGS

if TYPE_CHECKING:
    from api.resources.objects import Objects
    from domain.entity import Entity


class OfField(Query, frozen=True, kw_only=True):
    """Asks why a field of one object has its value."""

    id: Annotated[Text, Meta(description="The object's id.")]
    field: Annotated[Text, Meta(description="The field.")]


def _explanation_page(resource: str, objects: Objects[Any]) -> Page[OfField]:
    listing = LISTINGS[resource]
    kind = listing.kind
    entity: type[Entity] = listing.entity
    personal = withheld_fields(entity, PERSONAL)

    async def handle(visit: Visit, query: OfField) -> View:
        try:
            found = await visit.ask(objects.explain, id=query.id, field=query.field)
        except InvalidParameterError as error:
            if error.name != "field":
                raise
            raise ApiError(404, "not_found", f"a {spoken(kind)} has no such field") from error
        thing = await visit.ask(objects.get, id=query.id)
        data = {
            "kind": kind,
            "object_path": path_of(resource, query.id),
            "resource": resource,
            "id": query.id,
            "field": query.field,
            "found": found,
            "cell": cell_of(thing, query.field),
            "is_withheld": query.field in personal and not visit.caller.sees_persons,
        }
        title = f"Why {spoken(query.field)} of {spoken(kind)} {query.id}"
        return View("explanation.html", title, data)

    return Page(path=f"/{resource}/{{id:path}}/explain/{{field}}", takes=OfField, handle=handle)


EXPLANATION_PAGES: Final[tuple[Page[OfField], ...]] = tuple(
    _explanation_page(resource, objects) for resource, objects in OBJECTS.items()
)
"""The page of a field of an object of each kind."""
