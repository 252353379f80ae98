"""The objects of each kind: listed, one by one, and what can be asked of each."""

from __future__ import annotations

from datetime import datetime
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, cast

from api.http.cursors import Cursor
from api.http.errors import never_seen
from api.http.operations import MIN_POSITION, Operation
from api.http.pagination import LIMIT, Item, Page, page
from api.http.parameters import Declared, Parameter, flag, instant, invalid, path_text, text
from api.queries.time_travel import (
    AS_OF,
    KNOWN_AT,
    entities_then,
    entity_then,
    in_parts,
    is_asked,
    then_of,
)
from api.resources.explanations import explanation_of
from api.resources.timelines import timeline_of
from domain.entity import spoken
from projections.listing import AnyEntity, FilterError
from projections.read_models import periods
from projections.read_models.catalogue import LISTINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from api.http.parameters import Arguments
    from api.queries.read_side import ReadSide
    from domain.explanation.explain import Explanation
    from domain.timeline import Entry
    from postgres.statement import Row
    from projections.listing import Filter, Listing
    from projections.read_models.periods import Place

EVENTS_MAX: Final = 10_000
"""A page of the past is shorter where its objects have more events than this in all."""
_PARAMETER_OF: Final[Mapping[type, Callable[[str, str], Parameter[Any]]]] = {
    str: text,
    bool: flag,
    datetime: instant,
}


class Objects(NamedTuple, Generic[AnyEntity]):
    """The operations on the objects of one kind.

    An id may hold a slash, so what is more than the object comes before the object.
    """

    list: Operation[ReadSide, Page[AnyEntity]]
    timeline: Operation[ReadSide, Page[Entry]]
    explain: Operation[ReadSide, Explanation]
    get: Operation[ReadSide, AnyEntity]


def _objects(listing: Listing[AnyEntity]) -> Objects[AnyEntity]:
    return Objects(
        list_of(listing), timeline_of(listing), explanation_of(listing), entity_of(listing)
    )


def list_of(listing: Listing[AnyEntity]) -> Operation[ReadSide, Page[AnyEntity]]:
    """Return the operation that lists the objects of a kind."""
    filters = tuple(_parameter(filter_) for filter_ in listing.filters)
    cursor = Cursor(listing.resource, int)

    def read(row: Row) -> Item[int, AnyEntity]:
        return Item(*listing.read(row))

    async def handle(read_side: ReadSide, arguments: Arguments) -> Page[AnyEntity]:
        values, limit = arguments.among(filters), arguments[LIMIT]
        before = arguments[cursor.parameter]
        as_of, position = then = await then_of(read_side, arguments)
        if as_of is None:
            statement = listing.page(
                values, before=before, limit=limit + 1, business_id=read_side.business_id
            )
            return page(await read_side.snapshots.rows(statement, position), limit, read, cursor)
        try:
            statement = periods.page(
                listing,
                values,
                as_of=as_of,
                before=before,
                limit=limit + 1,
                business_id=read_side.business_id,
            )
        except FilterError as error:
            raise invalid(error.name, error.problem) from error
        rows = await read_side.snapshots.rows(statement, position)
        places = _foldable([periods.read(row) for row in rows[:limit]])
        parts = await in_parts(read_side, places)
        entities = await entities_then(read_side, listing, parts, then)
        more = len(rows) > sum(map(len, parts))
        following = cursor.write(parts[-1][-1].first_position) if more else None
        return Page(entities, following)

    return Operation(
        path=f"/v1/{listing.resource}",
        name=f"list_{listing.resource}",
        summary=f"List {spoken(listing.resource)}, the last to appear first.",
        handle=handle,
        answers=_page_of(listing.entity),
        takes=Declared(query=(*filters, LIMIT, cursor.parameter, AS_OF, KNOWN_AT, MIN_POSITION)),
    )


def _parameter(filter_: Filter) -> Parameter[Any]:
    limits = " Not with as_of." if filter_.then is None else ""
    return _PARAMETER_OF[filter_.type](filter_.name, f"{filter_.description}{limits}")


def _page_of(entity: type[AnyEntity]) -> type[Page[AnyEntity]]:
    return cast("type[Page[AnyEntity]]", Page[entity])  # type: ignore[valid-type]  # at run time


def _foldable(places: list[Place]) -> list[Place]:
    """Take from the front as many as have few enough events, and one at least."""
    events = accumulate(place.events for place in places)
    return [
        place for place, sum_ in zip(places, events, strict=True) if sum_ <= EVENTS_MAX
    ] or places[:1]


def entity_of(listing: Listing[AnyEntity]) -> Operation[ReadSide, AnyEntity]:
    """Return the operation that gives an object of a kind."""
    kind = listing.kind
    object_id = path_text("id", f"Dodo's id of the {spoken(kind)}.")

    async def handle(read_side: ReadSide, arguments: Arguments) -> AnyEntity:
        if is_asked(arguments):
            return await entity_then(read_side, listing, arguments[object_id], arguments)
        statement = listing.by_id(arguments[object_id], read_side.business_id)
        row = await read_side.database.row(statement)
        if row is None:
            raise never_seen(kind)
        return listing.read(row).entity

    return Operation(
        path=f"/v1/{listing.resource}/{{id:path}}",
        name=f"get_{kind}",
        summary=f"Get one {spoken(kind)}.",
        handle=handle,
        answers=listing.entity,
        takes=Declared(path=(object_id,), query=(AS_OF, KNOWN_AT, MIN_POSITION)),
        may_fail={404: f"No {spoken(kind)} with this id was there."},
    )


OBJECTS: Final = {resource: _objects(listing) for resource, listing in LISTINGS.items()}
"""By resource, in the order in which they are served."""
