"""Events: the log as it was recorded, as a list and one by one with its body."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from api.answers import Answer, json_answer
from api.cursors import Cursor
from api.errors import ApiError
from api.operations import MIN_POSITION, Operation
from api.pages import LIMIT, Item, Page, page
from api.parameters import Declared, path_text, position, text
from api.past import AS_OF, KNOWN_AT
from domain.mapper import LedgerMapper
from projections.listing import Statement

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.database import Row
    from api.parameters import Given, Parameter
    from api.services import Reading

STREAM_CHARS_MAX: Final = 1_300
"""The longest id of a stream: two ids, of which every character is escaped."""


class LoggedEvent(msgspec.Struct, frozen=True):
    """A recorded delivery. `type` is `unreadable` where the body does not say one."""

    position: str
    webhook_id: str
    type: str
    aggregate_id: str
    recorded_at: datetime


class AnotherBody(msgspec.Struct, frozen=True):
    """A later delivery of the same webhook-id with another body."""

    position: str
    recorded_at: datetime
    webhook_timestamp: str
    body: str


class WholeEvent(msgspec.Struct, frozen=True):
    """A recorded delivery with its `body`, the text as it came; `webhook_timestamp` as sent."""

    position: str
    webhook_id: str
    type: str
    aggregate_id: str
    recorded_at: datetime
    webhook_timestamp: str
    body: str
    other_bodies: list[AnotherBody]


AFTER: Final = position("after", "Only events behind this position.")
TYPE: Final = text("type", "Only events of this type.")
AGGREGATE: Final = text(
    "aggregate_id", "Only events of this aggregate, as an event names it.", STREAM_CHARS_MAX
)
WEBHOOK_ID: Final = path_text("id", "The webhook-id.")
CURSOR: Final = Cursor("events", int)
_mapper = LedgerMapper()

# The timelines tell which streams a webhook-id stands in: one, unless its bodies disagree.
_SELECT_BODIES: Final = (
    "SELECT originator_id, originator_version, topic, state, notification_id, recorded_at"
    " FROM raphus.ledger_events AS e WHERE webhook_id = %(id)s AND originator_id IN"
    " (SELECT stream_id FROM raphus.timeline WHERE webhook_id = %(id)s)"
)

# The timelines tell when what a delivery says occurred; a notice may not say it.
_OCCURRED: Final = (
    "EXISTS (SELECT FROM raphus.timeline AS t WHERE t.webhook_id = e.webhook_id"
    " AND t.stream_id = e.originator_id AND coalesce(t.occurred_at, t.recorded_at) <= %(as_of)s)"
)
_FILTERS: Final[Mapping[Parameter[Any], str]] = {
    TYPE: "topic = %(type)s",
    AGGREGATE: "originator_id = %(aggregate_id)s",
    AS_OF: _OCCURRED,
    KNOWN_AT: "recorded_at <= %(known_at)s",
}


def select_events(given: Given, *, after: int, limit: int) -> Statement:
    """Select events in the order of their positions."""
    conditions = [sql for parameter, sql in _FILTERS.items() if given[parameter] is not None]
    where = " AND ".join(["notification_id > %(after)s", *conditions])
    return Statement(
        "SELECT notification_id, webhook_id, topic, originator_id, recorded_at"  # noqa: S608 -- constants
        f" FROM raphus.ledger_events AS e WHERE {where}"
        " ORDER BY notification_id LIMIT %(limit)s",
        {**given.among(tuple(_FILTERS)), "after": after, "limit": limit},
    )


def read_event(row: Row) -> Item[int]:
    """Read a row of `select_events`."""
    place, *values = row
    fields = dict(zip(LoggedEvent.__struct_fields__, (str(place), *values), strict=True))
    return Item(cast("int", place), msgspec.convert(fields, LoggedEvent))


async def _list(reading: Reading, given: Given) -> Answer:
    after = max(given[AFTER] or 0, given[CURSOR.parameter] or 0)
    statement = select_events(given, after=after, limit=given[LIMIT] + 1)
    return page(await reading.database.rows(statement), given[LIMIT], read_event, CURSOR)


async def _one(reading: Reading, given: Given) -> Answer:
    asked = [_SELECT_BODIES, *(_FILTERS[time] for time in (AS_OF, KNOWN_AT) if given[time])]
    statement = f"{' AND '.join(asked)} ORDER BY notification_id"
    given_ones = given.among((WEBHOOK_ID, AS_OF, KNOWN_AT))
    rows = await reading.database.rows(Statement(statement, given_ones))
    if not rows:
        raise ApiError(404, "not_found", "no webhook with this id is recorded and projected")
    return json_answer(_whole(rows))


def _whole(rows: list[Row]) -> WholeEvent:
    first, *others = (_mapper.decode(*row) for row in rows)  # type: ignore[arg-type]  # the columns
    return WholeEvent(
        str(first.position),
        first.delivery.webhook_id,
        first.topic,
        first.originator_id,
        cast("datetime", first.recorded_at),
        first.delivery.webhook_timestamp,
        first.delivery.body.decode(),
        [
            AnotherBody(
                str(other.position),
                cast("datetime", other.recorded_at),
                other.delivery.webhook_timestamp,
                other.delivery.body.decode(),
            )
            for other in others
        ],
    )


LIST_EVENTS: Final = Operation["Reading"](
    path="/v1/events",
    name="list_events",
    summary="List the log, oldest first; poll it with `after` to follow it.",
    handle=_list,
    answers=Page[LoggedEvent],
    takes=Declared(
        query=(TYPE, AGGREGATE, AFTER, LIMIT, CURSOR.parameter, AS_OF, KNOWN_AT, MIN_POSITION)
    ),
)
GET_EVENT: Final = Operation["Reading"](
    path="/v1/events/{id:path}",
    name="get_event",
    summary="Get one webhook, with its body to the byte.",
    handle=_one,
    answers=WholeEvent,
    takes=Declared(path=(WEBHOOK_ID,), query=(AS_OF, KNOWN_AT, MIN_POSITION)),
    may_fail={404: "No webhook with this id is recorded and projected."},
)
