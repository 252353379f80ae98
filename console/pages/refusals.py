"""The refusals: facts that the state machines do not accept."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

from api.http.questions import Query
from api.resources.timelines import LIST_REFUSALS
from console.page import Menu, Page, View
from console.pages.history import ENTRIES_MAX
from console.pages.object import Cursor
from console.visit import Visit


class RefusalsPage(Query, frozen=True, kw_only=True):
    """Asks for a part of the list."""

    cursor: Annotated[Cursor | None, Meta(description="Where to go on.")] = None


async def _refusals(visit: Visit, query: RefusalsPage) -> View:
    found = await visit.ask(LIST_REFUSALS, order="desc", limit=ENTRIES_MAX, cursor=query.cursor)
    return View("refusals.html", "Refusals", {"timeline": found})


REFUSALS: Final = Page(
    path="/refusals", takes=RefusalsPage, handle=_refusals, menu=Menu("Log", "Refusals")
)
