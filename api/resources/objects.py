"""The objects of each kind: listed, one by one, and what can be asked of each."""

from __future__ import annotations

from datetime import datetime
from itertools import accumulate
from typing import TYPE_CHECKING, Annotated, Any, Final, Generic, NamedTuple, cast

from msgspec import Meta
from psycopg.types.json import Jsonb

from api.answers.named import ANSWERED
from api.http.cursors import Cursor
from api.http.errors import InvalidParameterError, never_seen
from api.http.operations import Operation
from api.http.pagination import Item, Page, page
from api.http.parameters import Flag, Instant, Text, Texts
from api.http.questions import PastPage, narrowed
from api.queries.time_travel import entities_then, entity_then, in_parts, then_of
from api.resources.explanations import FieldQuery, explanation_of
from api.resources.object_query import ObjectQuery, id_of
from api.resources.timelines import TimelineQuery, timeline_of
from domain.entity import spoken
from projections.listing import AnyEntity, FilterError
from projections.read_models import periods
from projections.read_models.catalogue import LISTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.answers.named import NamedEntry
    from api.queries.read_side import ReadSide
    from domain.explanation.explain import Explanation
    from postgres.statement import Row
    from projections.listing import Filter, Listing
    from projections.read_models.periods import Place

EVENTS_MAX: Final = 10_000
"""A page of the past is shorter where its objects have more events than this in all."""
_TYPE_OF: Final[Mapping[type, Any]] = {str: Text, bool: Flag, datetime: Instant, dict: Texts}


class ListQuery(PastPage[int], frozen=True, kw_only=True):
    """Asks for a page of the objects of a kind, which adds its filters."""


class Objects(NamedTuple, Generic[AnyEntity]):
    """The operations on the objects of one kind.

    An id may hold a slash, so what is more than the object comes before the object.
    """

    list: Operation[ReadSide, ListQuery, Page[AnyEntity]]
    timeline: Operation[ReadSide, TimelineQuery, Page[NamedEntry]]
    explain: Operation[ReadSide, FieldQuery, Explanation]
    get: Operation[ReadSide, ObjectQuery, AnyEntity]


def _objects(listing: Listing[AnyEntity]) -> Objects[AnyEntity]:
    return Objects(
        list_of(listing), timeline_of(listing), explanation_of(listing), entity_of(listing)
    )


def list_of(
    listing: Listing[AnyEntity],
) -> Operation[ReadSide, ListQuery, Page[AnyEntity]]:
    """Return the operation that lists the objects of a kind."""
    filters = {filter_.name: _asked(filter_) for filter_ in listing.filters}
    cursor = Cursor(listing.resource, int)

    def read(row: Row) -> Item[int, AnyEntity]:
        return Item(*listing.read(row))

    async def handle(read_side: ReadSide, query: ListQuery) -> Page[AnyEntity]:
        values = {name: _storable(value) for name, value in query.given(*filters).items()}
        limit, before = query.limit, query.cursor
        as_of, position = then = await then_of(read_side, query)
        if as_of is None:
            statement = listing.page(
                values, before=before, limit=limit + 1, business_id=read_side.business_id
            )
            rows = await read_side.snapshots.rows(statement, position)
            found = page(rows, limit, read, cursor)
            return Page(await read_side.names.beside(found.items), found.next)
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
            raise InvalidParameterError(error.name, error.problem) from error
        rows = await read_side.snapshots.rows(statement, position)
        places = _foldable([periods.read(row) for row in rows[:limit]])
        parts = await in_parts(read_side, places)
        entities = await entities_then(read_side, listing, parts, then)
        more = len(rows) > sum(map(len, parts))
        following = cursor.write(parts[-1][-1].first_position) if more else None
        return Page(await read_side.names.beside(entities), following)

    return Operation(
        path=f"/v1/{listing.resource}",
        name=f"list_{listing.resource}",
        summary=f"List {spoken(listing.resource)}, the last to appear first.",
        handle=handle,
        takes=narrowed(
            ListQuery,
            f"list_{listing.resource}",
            **filters,
            cursor=Annotated[int | None, cursor.meta],
        ),
        answers=_page_of(_answered(listing)),
    )


def _asked(filter_: Filter) -> Any:  # noqa: ANN401 -- a type
    limits = " Not with as_of." if filter_.then is None else ""
    asked = _TYPE_OF[filter_.type] | None
    return Annotated[asked, Meta(description=f"{filter_.description}{limits}")]


def _storable(value: object) -> object:
    return Jsonb(value) if isinstance(value, dict) else value


def _page_of(entity: type[AnyEntity]) -> type[Page[AnyEntity]]:
    return cast("type[Page[AnyEntity]]", Page[entity])  # type: ignore[valid-type]  # at run time


def _answered(listing: Listing[AnyEntity]) -> type[AnyEntity]:
    return cast("type[AnyEntity]", ANSWERED.get(listing.entity, listing.entity))


def _foldable(places: list[Place]) -> list[Place]:
    """Take from the front as many as have few enough events, and one at least."""
    events = accumulate(place.events for place in places)
    return [
        place for place, sum_ in zip(places, events, strict=True) if sum_ <= EVENTS_MAX
    ] or places[:1]


def entity_of(listing: Listing[AnyEntity]) -> Operation[ReadSide, ObjectQuery, AnyEntity]:
    """Return the operation that gives an object of a kind."""
    kind = listing.kind

    async def handle(read_side: ReadSide, query: ObjectQuery) -> AnyEntity:
        if query.asks_past:
            entity = await entity_then(read_side, listing, query.id, query)
        else:
            statement = listing.by_id(query.id, read_side.business_id)
            row = await read_side.database.row(statement)
            if row is None:
                raise never_seen(kind)
            entity = listing.read(row).entity
        (named,) = await read_side.names.beside([entity])
        return named

    return Operation(
        path=f"/v1/{listing.resource}/{{id:path}}",
        name=f"get_{kind}",
        summary=f"Get one {spoken(kind)}.",
        handle=handle,
        takes=narrowed(ObjectQuery, f"get_{kind}", id=id_of(kind)),
        answers=_answered(listing),
        may_fail={404: f"No {spoken(kind)} with this id was there."},
    )


OBJECTS: Final = {resource: _objects(listing) for resource, listing in LISTINGS.items()}
"""By resource, in the order in which they are served."""
