"""The search: any id, a webhook-id, an e-mail address, an id of the merchant's own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

from msgspec import Meta

from api.http.errors import ApiError
from api.http.parameters import Text
from api.http.questions import Query
from api.resources.customers import GET_CUSTOMER
from api.resources.customers_list import LIST_CUSTOMERS
from api.resources.events import GET_EVENT
from api.resources.objects import OBJECTS
from console.page import Page, Redirect, View
from console.rendering.words import path_of
from console.visit import Visit
from projections.read_models.catalogue import LISTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from console.page import Seen

SHOWN_MAX: Final = 20
_BY_ID: Final[Mapping[str, Any]] = {
    "customer": GET_CUSTOMER,
    **{LISTINGS[resource].kind: objects.get for resource, objects in OBJECTS.items()},
    "event": GET_EVENT,
}
_ABSENT: Final = frozenset({400, 404})
"""What is answered of an id that is none of a kind, or cannot be one."""


class SearchQuery(Query, frozen=True, kw_only=True):
    """Asks what a text is the name of."""

    q: Annotated[Text | None, Meta(description="What is looked for.")] = None


class Hit(NamedTuple):
    """A thing that was found, and by what."""

    kind: str
    id: str
    found_by: str


async def _search(visit: Visit, query: SearchQuery) -> Seen:
    if query.q is None:
        return View("search.html", "Search", {"q": "", "hits": []})
    found = await asyncio.gather(
        *(_by_id(visit, kind, query.q) for kind in _BY_ID),
        _customers(visit, "e-mail address", email=query.q),
        _customers(visit, "your own id", external_id=query.q),
    )
    by_place = {(hit.kind, hit.id): hit for hits in reversed(found) for hit in hits}
    hits = [hit for hits in found for hit in hits if by_place[hit.kind, hit.id] is hit]
    if len(hits) == 1:
        return Redirect(visit.link(path_of(hits[0].kind, hits[0].id)))
    return View("search.html", f"Search: {query.q}", {"q": query.q, "hits": hits})


async def _by_id(visit: Visit, kind: str, id_: str) -> list[Hit]:
    try:
        await visit.ask(_BY_ID[kind], id=id_)
    except ApiError as error:
        if error.status in _ABSENT:
            return []
        raise
    return [Hit(kind, id_, "id")]


async def _customers(visit: Visit, found_by: str, **asked: str) -> list[Hit]:
    try:
        page = await visit.ask(LIST_CUSTOMERS, limit=SHOWN_MAX, **asked)
    except ApiError as error:
        if error.status in _ABSENT:
            return []
        raise
    return [Hit("customer", one.customer_id, found_by) for one in page.items]


SEARCH: Final = Page(path="/search", takes=SearchQuery, handle=_search)
