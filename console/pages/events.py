"""The log: what came, newest first, and one webhook to the byte, with its place and its proof."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta

from api.http.errors import ApiError
from api.http.parameters import Position, Text, text
from api.http.questions import Query
from api.http.responses import Content
from api.resources.events import GET_EVENT, LIST_EVENTS, STREAM_CHARS_MAX
from console.page import Menu, Page, View
from console.pages.object import Cursor
from console.rendering.forms import Input
from console.rendering.words import RESOURCES
from console.visit import Visit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.answers.events import AnotherBody, WholeEvent

LISTED_MAX: Final = 50
_BYTES: Final = b"application/json; charset=utf-8"
StreamId = Annotated[str, text(STREAM_CHARS_MAX)]


class EventsPage(Query, frozen=True, kw_only=True):
    """Asks for a part of the log."""

    type: Annotated[Text | None, Meta(description="Only events of this type.")] = None
    aggregate_id: Annotated[
        StreamId | None, Meta(description="Only events of this aggregate, as an event names it.")
    ] = None
    after: Annotated[Position | None, Meta(description="Only events behind this position.")] = None
    before: Annotated[Position | None, Meta(description="Only events before this position.")] = None
    cursor: Annotated[Cursor | None, Meta(description="Where to go on.")] = None


FILTERS: Final[Mapping[str, tuple[str, str]]] = {
    "type": ("type", "Only of this type, such as payment.failed."),
    "aggregate_id": ("stream", "Only of this aggregate's stream."),
    "after": ("after position", "Only what came behind this position."),
    "before": ("before position", "Only what came before this position."),
}
"""The filters, each with what it is called and what it is for."""


class OfEvent(Query, frozen=True, kw_only=True):
    """Asks for one webhook."""

    id: Annotated[Text, Meta(description="The webhook-id.")]


class OfBody(Query, frozen=True, kw_only=True):
    """Asks for a body to the byte."""

    id: Annotated[Text, Meta(description="The webhook-id.")]
    position: Annotated[Text, Meta(description="Where in the log it stands.")]


class Thing(NamedTuple):
    """What a webhook has told of."""

    kind: str
    id: str


class Body(NamedTuple):
    """One body, as it came and set out to be read; None where it is withheld, or no JSON."""

    part: WholeEvent | AnotherBody
    pretty: str | None


async def _events(visit: Visit, query: EventsPage) -> View:
    asked = query.given(*FILTERS, "cursor")
    found = await visit.ask(LIST_EVENTS, order="desc", limit=LISTED_MAX, **asked)
    filters = [
        Input(name, label, help_, "text", visit.typed_into(name))
        for name, (label, help_) in FILTERS.items()
    ]
    data = {
        "listed": found.items,
        "next": found.next,
        "filters": filters,
        "filtered": any(one.value for one in filters),
    }
    return View("events.html", "Events", data)


async def _event(visit: Visit, query: OfEvent) -> View:
    found = await visit.ask(GET_EVENT, id=query.id)
    place = found.position
    before, after, in_stream = await asyncio.gather(
        visit.ask(LIST_EVENTS, before=place, order="desc", limit=1),
        visit.ask(LIST_EVENTS, after=place, limit=1),
        visit.ask(LIST_EVENTS, aggregate_id=found.aggregate_id, order="desc", limit=1),
    )
    data = {
        "event": found,
        "things": things_of(found),
        "bodies": [Body(one, pretty(one.body)) for one in bodies_of(found)],
        "before": before.items[:1],
        "after": after.items[:1],
        "is_last_of_stream": [one.position for one in in_stream.items] == [place],
    }
    return View("event.html", f"Webhook {query.id}", data)


async def _to_the_byte(visit: Visit, query: OfBody) -> Content:
    found = await visit.ask(GET_EVENT, id=query.id)
    for one in bodies_of(found):
        if one.position == query.position:
            return Content(one.body.encode(), _BYTES)
    raise ApiError(404, "not_found", "no body of this webhook stands there")


def things_of(event: WholeEvent) -> list[Thing]:
    """Return what a webhook has told of that has a page; an id may be none of its stream's."""
    told = (Thing(one.kind, one.id) for one in event.facts)
    return [*dict.fromkeys(one for one in told if one.kind in RESOURCES)]


def bodies_of(event: WholeEvent) -> list[WholeEvent | AnotherBody]:
    """Return the bodies that came under one webhook-id, the first first."""
    return [event, *event.other_bodies]


def pretty(body: str | None) -> str | None:
    """Set JSON out to be read, with all that stands in it as it is spelled; None: it is none."""
    if body is None:
        return None
    try:
        return msgspec.json.format(body, indent=2)
    except (msgspec.DecodeError, RecursionError):
        return None


EVENTS: Final = Page(path="/events", takes=EventsPage, handle=_events, menu=Menu("Log", "Events"))
BODY: Final = Page(
    path="/events/{id:path}/bodies/{position}",
    takes=OfBody,
    handle=_to_the_byte,
    scope="personal",
)
EVENT: Final = Page(path="/events/{id:path}", takes=OfEvent, handle=_event)
