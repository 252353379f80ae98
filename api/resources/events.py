"""The log as it was recorded, as a list and one by one with its body."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple, cast

import msgspec
from msgspec import Meta

from api.answers.events import (
    AnotherBody,
    Chained,
    ErasedBy,
    LoggedEvent,
    Signature,
    WholeEvent,
)
from api.http.cursors import Cursor
from api.http.errors import ApiError
from api.http.operations import Operation
from api.http.pagination import Item, Page, page
from api.http.parameters import Order, Position, Text, text
from api.http.questions import Past, PastPage
from domain.aggregates.announcement import FAMILY_OF
from domain.aggregates.erasure import ERASURE
from domain.aggregates.erasure import TOPIC as ERASED
from domain.aggregates.routing import KINDS_BY_LOOK, is_signed, types_taken
from domain.delivery import ErasedDelivery
from ledger.following.checkpoint import LOG_END
from ledger.following.checkpoint import POSITION as PROJECTED
from ledger.integrity.hash_chain import GENESIS
from ledger.mapper import COLUMNS, LedgerMapper
from postgres.statement import Statement
from projections.bound import events_of_business
from projections.read_models import timeline

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.answers.named import NamedEntry
    from api.queries.read_side import ReadSide
    from domain.event import Event
    from ledger.integrity.signatures import Check
    from postgres.statement import Row

STREAM_CHARS_MAX: Final = 1_300
"""The longest id of a stream: two ids, of which every character is escaped."""


CURSOR: Final = Cursor("events", int)
_StreamId = Annotated[str, text(STREAM_CHARS_MAX)]


class EventsQuery(PastPage[int], frozen=True, kw_only=True):
    """Asks for a page of the log."""

    type: Annotated[
        Text | None,
        Meta(
            description="Only events of this type; `access.*` stands for all that begin so and are"
            " understood."
        ),
    ] = None
    aggregate_id: Annotated[
        _StreamId | None, Meta(description="Only events of this aggregate, as an event names it.")
    ] = None
    after: Annotated[Position | None, Meta(description="Only events behind this position.")] = None
    before: Annotated[Position | None, Meta(description="Only events before this position.")] = None
    order: Order = "asc"
    cursor: Annotated[int | None, CURSOR.meta] = None


class EventQuery(Past, frozen=True, kw_only=True):
    """Asks for one webhook."""

    id: Annotated[Text, Meta(description="The webhook-id.")]


_mapper = LedgerMapper()

# The timelines tell which streams a webhook-id stands in: one, unless its bodies disagree.
_SELECT_BODIES: Final = (
    f"SELECT {COLUMNS}, coalesce(content_hash, sha256(state)), hash,"  # noqa: S608 -- constants
    " (SELECT before.hash FROM raphus.ledger_events AS before"
    " WHERE before.notification_id = e.notification_id - 1)"
    " FROM raphus.ledger_events AS e WHERE webhook_id = %(id)s"
    " AND (originator_id IN (SELECT stream_id FROM raphus.timeline WHERE webhook_id = %(id)s)"
    " OR EXISTS (SELECT FROM raphus.homes AS h WHERE h.position = e.notification_id))"
)

# The timelines tell when what a delivery says occurred; a notice may not say it.
_OCCURRED: Final = (
    "EXISTS (SELECT FROM raphus.timeline AS t WHERE t.webhook_id = e.webhook_id"
    " AND (t.stream_id = e.originator_id OR t.stream_id ="
    " (SELECT h.stream_id FROM raphus.homes AS h WHERE h.position = e.notification_id))"
    " AND coalesce(t.occurred_at, t.recorded_at) <= %(as_of)s)"
)
_ERASURES: Final = (
    "SELECT webhook_id, notification_id, recorded_at FROM raphus.ledger_events"  # noqa: S608 -- constants
    f" WHERE webhook_id = ANY (%(ids)s) AND starts_with(originator_id, '{ERASURE}/')"
)
_UNDERSTOOD: Final = frozenset({*types_taken(), *KINDS_BY_LOOK, *FAMILY_OF, ERASED})
BODIES_MAX: Final = 10
"""Of one webhook, in one answer; each may have 1 MiB."""
FACTS_MAX: Final = 50
LOOKED_AT_MAX: Final = 5_000
"""So many positions are looked at for a page as of a time: no index has both in order."""


class Span(NamedTuple):
    """The part of the log to look at: behind one position, up to another (None: to the end)."""

    after: int
    until: int | None


def select_events(
    query: EventsQuery, span: Span, limit: int, business_id: str | None = None
) -> Statement:
    """Select events by their positions, in the order that is asked for.

    They are found by an index in that very order, so that no more is read than is wanted. A
    range of one value is no different to us, and keeps the planner from any other index.
    """
    conditions, order = ["notification_id > %(after)s"], ["notification_id"]
    if span.until is not None:
        conditions.append("notification_id <= %(until)s")
    if query.as_of is not None:
        conditions.append(_OCCURRED)
    types = _types_meant(query.type)
    asked = {f"type_{number}": type_ for number, type_ in enumerate(types)}
    of_types = [""]
    if query.aggregate_id is not None:
        conditions.append("originator_id BETWEEN %(aggregate_id)s AND %(aggregate_id)s")
        # In a stream, versions follow each other as positions do.
        order = ["originator_id", "originator_version"]
        if query.type is not None:
            conditions.append("topic = ANY (%(types)s)")
    elif query.type is not None:
        of_types = [f" AND topic BETWEEN %({name})s AND %({name})s" for name in asked]
        order = ["topic", "notification_id"]
    ordered = ", ".join(f"{column} {query.order}" for column in order)
    found = [
        "(SELECT notification_id, webhook_id, topic, originator_id, recorded_at"  # noqa: S608 -- constants
        f" FROM raphus.ledger_events AS e WHERE {' AND '.join(conditions)}{of_type}"
        f"{events_of_business('e', business_id)} ORDER BY {ordered} LIMIT %(limit)s)"
        for of_type in of_types
    ]
    # Each type is read in its own order; of all, no more are told than are wanted.
    together = f" ORDER BY notification_id {query.order} LIMIT %(limit)s" if found[1:] else ""
    return Statement(
        " UNION ALL ".join(found) + together,
        {
            **query.given("aggregate_id", "as_of"),
            **span._asdict(),
            **asked,
            "types": types,
            "limit": limit,
            "bound_to": business_id,
        },
    )


def _types_meant(asked: str | None) -> list[str]:
    """Return the types that are asked for: all that begin so where there are any, else the one."""
    if asked is None:
        return []
    begin = asked.removesuffix("*") if asked.endswith(".*") else None
    meant = sorted(one for one in _UNDERSTOOD if begin and one.startswith(begin))
    return meant or [asked]


def read_event(row: Row) -> Item[int, LoggedEvent]:
    """Read a row of `select_events`."""
    place, *values = row
    fields = dict(zip(LoggedEvent.__struct_fields__, (str(place), *values), strict=True))
    return Item(cast("int", place), msgspec.convert(fields, LoggedEvent))


async def first_events(read_side: ReadSide, query: EventsQuery) -> list[LoggedEvent]:
    """Read the first events, `limit` of them if there are so many.

    Raises:
        ApiError: 503; the database is away.
    """
    part = await _events(read_side, query)
    events = part.items
    while part.next is not None and len(events) < query.limit:
        further = msgspec.structs.replace(query, cursor=CURSOR.read(part.next))
        part = await _events(read_side, further)
        events += part.items
    return events[: query.limit]


async def _events(read_side: ReadSide, query: EventsQuery) -> Page[LoggedEvent]:
    limit, business_id = query.limit, read_side.business_id
    span = await _span(read_side, query)
    searched = query.as_of is not None or business_id is not None
    if not searched or query.aggregate_id is not None:
        statement = select_events(query, span, limit + 1, business_id)
        return page(await read_side.database.rows(statement), limit, read_event, CURSOR)
    after, until = span
    last = await _position(read_side, LOG_END) if until is None else until
    if query.order == "asc":
        part = Span(after, min(last, after + LOOKED_AT_MAX))
        is_end, further = part.until == last, after + LOOKED_AT_MAX
    else:
        part = Span(max(after, last - LOOKED_AT_MAX), last)
        is_end, further = part.after == after, part.after + 1
    rows = await read_side.database.rows(select_events(query, part, limit + 1, business_id))
    if len(rows) > limit or is_end:
        return page(rows, limit, read_event, CURSOR)
    items = [read_event(row).value for row in rows]
    return Page(items, CURSOR.write(further))


async def _span(read_side: ReadSide, query: EventsQuery) -> Span:
    """Return the part of the log that is asked for, and may be told of."""
    after, ends = query.after or 0, [await read_side.snapshots.position(query.known_at)]
    if query.before is not None:
        ends.append(query.before - 1)
    if query.cursor is not None and query.order == "asc":
        after = max(after, query.cursor)
    elif query.cursor is not None:
        ends.append(query.cursor - 1)
    if read_side.business_id is not None:
        # Whose an event is the read models tell: what they do not show yet would be passed over.
        ends.append(await _position(read_side, PROJECTED))
    return Span(after, min((end for end in ends if end is not None), default=None))


async def _position(read_side: ReadSide, statement: Statement) -> int:
    row = await read_side.database.row(statement)
    return int(str(row[0])) if row else 0


async def _event(read_side: ReadSide, query: EventQuery) -> WholeEvent:
    until = await read_side.snapshots.position(query.known_at)
    asked = [_SELECT_BODIES, *[_OCCURRED] * (query.as_of is not None)]
    if until is not None:
        asked.append("notification_id <= %(until)s")
    bound = events_of_business("e", read_side.business_id)
    statement = f"{' AND '.join(asked)}{bound} ORDER BY notification_id LIMIT {BODIES_MAX}"
    params: dict[str, object] = {
        "id": query.id,
        "as_of": query.as_of,
        "until": until,
        "bound_to": read_side.business_id,
    }
    rows = await read_side.database.rows(Statement(statement, params))
    if not rows:
        raise ApiError(404, "not_found", "no webhook with this id is recorded and projected")
    events = [_mapper.decode(*row[:-3]) for row in rows]  # type: ignore[arg-type]  # the columns
    erasures = await _erasures(read_side, events)
    bodies = [
        AnotherBody(
            str(event.position),
            cast("datetime", event.recorded_at),
            event.delivery.webhook_timestamp,
            event.delivery.body.decode(),
            _erased(event, erasures),
            _signature(event, read_side.signatures),
            _chained(event, row),
        )
        for event, row in zip(events, rows, strict=True)
    ]
    return _whole(events[0], bodies, await _facts(read_side, query, until))


async def _erasures(read_side: ReadSide, events: list[Event]) -> dict[str, ErasedBy]:
    """Return the erasures that have emptied events, by their webhook-ids."""
    ids = [
        event.delivery.erased_by for event in events if isinstance(event.delivery, ErasedDelivery)
    ]
    rows = await read_side.database.rows(Statement(_ERASURES, {"ids": ids})) if ids else []
    found = [ErasedBy(str(id_), str(place), cast("datetime", at)) for id_, place, at in rows]
    return {one.webhook_id: one for one in found}


def _erased(event: Event, erasures: Mapping[str, ErasedBy]) -> ErasedBy | None:
    delivery = event.delivery
    return erasures.get(delivery.erased_by) if isinstance(delivery, ErasedDelivery) else None


def _signature(event: Event, check: Check | None) -> Signature:
    delivery = event.delivery
    header = delivery.webhook_signature
    if not is_signed(event.originator_id, event.topic):
        return Signature(header, None, "it did not come from outside: nobody signs it")
    if isinstance(delivery, ErasedDelivery):
        return Signature(header, None, "the body that was signed has been emptied since")
    if check is None:
        return Signature(header, None, "no secret is in hand to check it with")
    problem = check(delivery)
    return Signature(header, problem is None, problem)


def _chained(event: Event, row: Row) -> Chained:
    content, hash_, before = cast("tuple[bytes, bytes, bytes | None]", row[-3:])
    # What precedes the first is what the chain begins with.
    previous = before or GENESIS
    return Chained(event.originator_version, content.hex(), previous.hex(), hash_.hex())


async def _facts(read_side: ReadSide, query: EventQuery, known: int | None) -> list[NamedEntry]:
    statement = timeline.of_webhook(
        query.id, as_of=query.as_of, limit=FACTS_MAX, business_id=read_side.business_id
    )
    rows = await read_side.snapshots.rows(statement, known)
    return await read_side.names.in_changes(list(map(timeline.read, rows)))


def _whole(event: Event, bodies: list[AnotherBody], facts: list[NamedEntry]) -> WholeEvent:
    first, *others = bodies
    return WholeEvent(
        first.position,
        event.delivery.webhook_id,
        event.topic,
        event.originator_id,
        first.recorded_at,
        first.webhook_timestamp,
        first.body,
        first.erased,
        others,
        facts,
        first.signature,
        first.chained,
    )


LIST_EVENTS: Final = Operation["ReadSide", EventsQuery, Page[LoggedEvent]](
    path="/v1/events",
    name="list_events",
    summary="List the log, oldest first unless asked; poll it with `after` to follow it. A page"
    " `as_of` a time, or for a key of one business, may have fewer items than its limit, or none,"
    " while `next` leads on.",
    handle=_events,
    takes=EventsQuery,
    answers=Page[LoggedEvent],
)
GET_EVENT: Final = Operation["ReadSide", EventQuery, WholeEvent](
    path="/v1/events/{id:path}",
    name="get_event",
    summary="Get one webhook, with its body to the byte.",
    handle=_event,
    takes=EventQuery,
    answers=WholeEvent,
    may_fail={404: "No webhook with this id is recorded and projected."},
)
