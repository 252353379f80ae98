"""Facts with their verdicts: of one object, and all that are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from api.answers.named import NamedEntry
from api.http.cursors import Cursor
from api.http.errors import never_seen
from api.http.operations import Operation
from api.http.pagination import Item, Page, page
from api.http.parameters import Order
from api.http.questions import PastPage, narrowed
from api.queries.time_travel import aggregates_then, rows_then, then_of
from api.resources.object_query import id_of
from domain.entity import spoken
from projections.read_models import timeline

if TYPE_CHECKING:
    from api.queries.read_side import ReadSide
    from postgres.statement import Row
    from projections.listing import Listing
    from projections.read_models.timeline import Line

_AND_MORE: Final = {
    kind: f" and to what names it ({', '.join(map(spoken, others))})"
    for kind, others in timeline.NAMED_BY.items()
}
REFUSALS_CURSOR: Final = Cursor("refusals", int)


class TimelineQuery(PastPage[timeline.TimelineKey], frozen=True, kw_only=True):
    """Asks for a page of what happened to one object."""

    id: str
    order: Order = "asc"


class RefusalsQuery(PastPage[int], frozen=True, kw_only=True):
    """Asks for a page of what is refused."""

    order: Order = "asc"
    cursor: Annotated[int | None, REFUSALS_CURSOR.meta] = None


def timeline_of(listing: Listing[Any]) -> Operation[ReadSide, TimelineQuery, Page[NamedEntry]]:
    """Return the operation that gives the timeline of one object of a kind."""
    kind = listing.kind
    cursor = Cursor(f"{kind} timeline", timeline.TimelineKey)

    async def handle(read_side: ReadSide, query: TimelineQuery) -> Page[NamedEntry]:
        limit, after, bound_to = query.limit, query.cursor, read_side.business_id
        newest_first = query.order == "desc"
        if query.asks_past:
            then = await then_of(read_side, query)
            named = timeline.things_of(kind, query.id, business_id=bound_to)
            were = await aggregates_then(read_side, await read_side.database.rows(named), then)
            if not were:
                raise never_seen(kind)
            lines = timeline.rows_then(were, kind, query.id, after, newest_first=newest_first)
            rows = lines[: limit + 1]
        else:
            statement = timeline.of_entity(
                kind,
                query.id,
                after=after,
                limit=limit + 1,
                business_id=bound_to,
                newest_first=newest_first,
            )
            rows = await read_side.database.rows(statement)
        if not rows and after is None:
            raise never_seen(kind)
        found = page(rows, limit, read_line, cursor)
        return Page(await read_side.names.in_changes(found.items), found.next)

    return Operation(
        path=f"/v1/{listing.resource}/{{id:path}}/timeline",
        name=f"get_{kind}_timeline",
        summary=f"Get what happened to one {spoken(kind)}{_AND_MORE.get(kind, '')}, in the order"
        " it occurred unless asked.",
        handle=handle,
        takes=narrowed(
            TimelineQuery,
            f"{kind}_timeline",
            id=id_of(kind),
            cursor=Annotated[timeline.TimelineKey | None, cursor.meta],
        ),
        answers=Page[NamedEntry],
        may_fail={404: f"No {spoken(kind)} with this id has been seen."},
    )


async def _refusals(read_side: ReadSide, query: RefusalsQuery) -> Page[NamedEntry]:
    limit, after = query.limit, query.cursor or 0
    statement = timeline.refusals(
        as_of=query.as_of,
        after=after,
        limit=limit + 1,
        business_id=read_side.business_id,
        newest_first=query.order == "desc",
    )
    rows = await rows_then(read_side, query, statement)
    found = page(rows, limit, _read_refusal, REFUSALS_CURSOR)
    return Page(await read_side.names.in_changes(found.items), found.next)


def read_line(row: Row) -> Item[timeline.TimelineKey, Line]:
    """Read a row of a timeline."""
    line = timeline.read(row)
    return Item(line.key, line)


def _read_refusal(row: Row) -> Item[int, Line]:
    line = timeline.read(row)
    return Item(int(line.entry.position), line)


LIST_REFUSALS: Final = Operation["ReadSide", RefusalsQuery, Page[NamedEntry]](
    path="/v1/refusals",
    name="list_refusals",
    summary="List the facts that are no valid transitions, the first to arrive first unless asked.",
    handle=_refusals,
    takes=RefusalsQuery,
    answers=Page[NamedEntry],
)
