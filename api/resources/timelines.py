"""Facts with their verdicts: of one object, and all that are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from api.http.cursors import Cursor
from api.http.errors import never_seen
from api.http.operations import MIN_POSITION, Operation
from api.http.pagination import LIMIT, Item, Page, page
from api.http.parameters import Declared, path_text
from api.queries.time_travel import AS_OF, KNOWN_AT, aggregate_then, is_asked, then_of
from domain.entity import spoken
from domain.timeline import Entry
from projections.read_models import timeline

if TYPE_CHECKING:
    from api.http.parameters import Arguments
    from api.queries.read_side import ReadSide
    from postgres.statement import Row
    from projections.listing import Listing

REFUSALS_CURSOR: Final = Cursor("refusals", int)


def timeline_of(listing: Listing[Any]) -> Operation[ReadSide, Page[Entry]]:
    """Return the operation that gives the timeline of one object of a kind."""
    kind = listing.kind
    object_id = path_text("id", f"Dodo's id of the {spoken(kind)}.")
    cursor = Cursor(f"{kind} timeline", timeline.TimelineKey)

    async def handle(read_side: ReadSide, arguments: Arguments) -> Page[Entry]:
        limit, after = arguments[LIMIT], arguments[cursor.parameter]
        if is_asked(arguments):
            then = await then_of(read_side, arguments)
            was = await aggregate_then(read_side, listing, arguments[object_id], then)
            rows = timeline.rows_then(was, kind, arguments[object_id], after)[: limit + 1]
        else:
            statement = timeline.of_entity(
                kind,
                arguments[object_id],
                after=after,
                limit=limit + 1,
                business_id=read_side.business_id,
            )
            rows = await read_side.database.rows(statement)
        if not rows and after is None:
            raise never_seen(kind)
        return page(rows, limit, read_line, cursor)

    return Operation(
        path=f"/v1/{listing.resource}/{{id:path}}/timeline",
        name=f"get_{kind}_timeline",
        summary=f"Get what happened to one {spoken(kind)}, in the order it occurred.",
        handle=handle,
        answers=Page[Entry],
        takes=Declared((object_id,), (LIMIT, cursor.parameter, AS_OF, KNOWN_AT, MIN_POSITION)),
        may_fail={404: f"No {spoken(kind)} with this id has been seen."},
    )


async def _refusals(read_side: ReadSide, arguments: Arguments) -> Page[Entry]:
    limit, after = arguments[LIMIT], arguments[REFUSALS_CURSOR.parameter] or 0
    statement = timeline.refusals(
        as_of=arguments[AS_OF], after=after, limit=limit + 1, business_id=read_side.business_id
    )
    position = await read_side.snapshots.position(arguments[KNOWN_AT])
    rows = await read_side.snapshots.rows(statement, position)
    return page(rows, limit, _read_refusal, REFUSALS_CURSOR)


def read_line(row: Row) -> Item[timeline.TimelineKey, Entry]:
    """Read a row of a timeline."""
    line = timeline.read(row)
    return Item(line.key, line.entry)


def _read_refusal(row: Row) -> Item[int, Entry]:
    entry = timeline.read(row).entry
    return Item(int(entry.position), entry)


LIST_REFUSALS: Final = Operation["ReadSide", Page[Entry]](
    path="/v1/refusals",
    name="list_refusals",
    summary="List the facts that are no valid transitions, the first to arrive first.",
    handle=_refusals,
    answers=Page[Entry],
    takes=Declared(query=(LIMIT, REFUSALS_CURSOR.parameter, AS_OF, KNOWN_AT, MIN_POSITION)),
)
