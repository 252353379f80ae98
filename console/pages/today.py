"""The first page: whether all is well."""

from __future__ import annotations

from typing import Final

from api.http.questions import Query
from api.resources.events import LIST_EVENTS
from api.resources.health import READYZ
from console.page import Menu, Page, View
from console.visit import Visit


async def _today(visit: Visit, _query: Query) -> View:
    events = await visit.ask(LIST_EVENTS, limit=10)
    ready = await visit.ask(READYZ)
    return View("today.html", "Today", {"events": events.items, "ready": ready})


TODAY: Final = Page(path="/", takes=Query, handle=_today, menu=Menu("", "Today"))
