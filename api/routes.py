"""Everything that is served, in one list."""

from __future__ import annotations

from asyncio import to_thread
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from starlette.routing import Route

from api.endpoint import Endpoint
from api.exports.endpoint import EXPORT, ExportEndpoint
from api.http.operations import Operation
from api.http.questions import Query
from api.http.responses import JSON, Content, encode
from api.openapi import document
from api.resources.access import GET_ACCESS
from api.resources.anomalies import LIST_ANOMALIES
from api.resources.credit_entries import LIST_CREDIT_ENTRIES
from api.resources.customers import GET_CUSTOMER, GET_CUSTOMER_TIMELINE
from api.resources.customers_list import LIST_CUSTOMERS
from api.resources.erasures import ERASE, LIST_ERASURES
from api.resources.events import GET_EVENT, LIST_EVENTS
from api.resources.health import HEALTHZ, METRICS, READYZ
from api.resources.keys import LIST_KEYS
from api.resources.lifecycle import GET_CUSTOMER_LIFECYCLE
from api.resources.objects import OBJECTS
from api.resources.overview import GET_OVERVIEW
from api.resources.reconciliations import LIST_FINDINGS, LIST_RECONCILIATIONS
from api.resources.revenue import GET_MRR, LIST_EARNING, LIST_MOVEMENTS
from api.resources.revenue_cohorts import GET_COHORTS
from api.resources.revenue_net import GET_NET, LIST_TAKINGS
from api.resources.revenue_trials import GET_TRIALS, LIST_TRIALS
from api.resources.state import GET_CUSTOMER_STATE, GET_EXTERNAL_STATE
from api.resources.storage import GET_STORAGE, LIST_SNAPSHOTS
from api.resources.timelines import LIST_REFUSALS
from api.resources.upkeep import BEGIN_UPKEEP, CANCEL_UPKEEP, LIST_UPKEEP
from api.resources.workflows import OPERATIONS as WINDMILL
from api.webhooks.endpoint import PATH, Webhooks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.types import Receive, Scope, Send

    from api.services import Services


async def _openapi(_services: Services, _query: Query) -> Content:
    return await to_thread(_document)


@cache
def _document() -> Content:
    """Make the document when it is first asked for: that takes a third of a server's start."""
    return Content(encode(document(OPERATIONS)), JSON)


_OF_OBJECTS: Final[Iterable[Any]] = chain.from_iterable(OBJECTS.values())
OPERATIONS: Final[tuple[Operation[Services, Any, object], ...]] = (
    # An id may hold a slash, so what is more than an object comes before the object.
    LIST_CREDIT_ENTRIES,
    *_OF_OBJECTS,
    LIST_CUSTOMERS,
    GET_CUSTOMER_TIMELINE,
    GET_CUSTOMER_LIFECYCLE,
    ERASE,
    GET_EXTERNAL_STATE,
    GET_CUSTOMER_STATE,
    GET_CUSTOMER,
    GET_ACCESS,
    GET_OVERVIEW,
    LIST_ANOMALIES,
    LIST_REFUSALS,
    LIST_EVENTS,
    GET_EVENT,
    LIST_ERASURES,
    LIST_RECONCILIATIONS,
    LIST_FINDINGS,
    GET_MRR,
    LIST_MOVEMENTS,
    LIST_EARNING,
    GET_COHORTS,
    GET_TRIALS,
    LIST_TRIALS,
    GET_NET,
    LIST_TAKINGS,
    *WINDMILL,
    LIST_UPKEEP,
    BEGIN_UPKEEP,
    CANCEL_UPKEEP,
    LIST_KEYS,
    LIST_SNAPSHOTS,
    GET_STORAGE,
    EXPORT,
    HEALTHZ,
    READYZ,
    METRICS,
    Operation(
        "/openapi.json", "openapi", "Get this document.", _openapi, Query, Content, secured=False
    ),
)

_ASKED_MOST: Final[tuple[Operation[Services, Any, object], ...]] = (
    GET_ACCESS,
    GET_EXTERNAL_STATE,
    GET_CUSTOMER_STATE,
)
"""What is asked at every turn of a merchant's site. A route is looked for one after the other."""


def routes(webhooks: Webhooks, services: Services) -> list[Route]:
    """Return the way in, then all operations, those first that are asked most."""
    others = (one for one in OPERATIONS if one not in _ASKED_MOST)
    by_path: dict[str, dict[str, Endpoint]] = {}
    for one in (*_ASKED_MOST, *others):
        by_path.setdefault(one.path, {})[one.method] = _served(one, services)
    return [
        Route(PATH, webhooks, methods=["POST"]),
        *(Route(path, _ByMethod(of_path), methods=[*of_path]) for path, of_path in by_path.items()),
    ]


class _ByMethod:
    """Serves the operations that share a path (ASGI)."""

    def __init__(self, endpoints: Mapping[str, Endpoint]) -> None:
        self._endpoints = {**endpoints}
        if "GET" in endpoints:
            self._endpoints["HEAD"] = endpoints["GET"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._endpoints[scope["method"]](scope, receive, send)


def _served(operation: Operation[Services, Any, Any], services: Services) -> Endpoint:
    make = ExportEndpoint if operation is EXPORT else Endpoint
    return make(operation, services)
