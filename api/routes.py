"""Everything that is served, in one list."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

from starlette.routing import Route

from api.endpoint import Endpoint
from api.http.operations import Operation
from api.http.responses import JSON, Content, encode
from api.openapi import document
from api.resources.customers import GET_CUSTOMER, GET_CUSTOMER_TIMELINE
from api.resources.erasures import ERASE, LIST_ERASURES
from api.resources.events import GET_EVENT, LIST_EVENTS
from api.resources.health import HEALTHZ, METRICS, READYZ
from api.resources.lifecycle import GET_CUSTOMER_LIFECYCLE
from api.resources.objects import OBJECTS
from api.resources.timelines import LIST_REFUSALS
from api.resources.workflows import OPERATIONS as WINDMILL
from api.webhooks.endpoint import PATH, Webhooks

if TYPE_CHECKING:
    from api.http.parameters import Arguments
    from api.services import Services


async def _openapi(_services: Services, _arguments: Arguments) -> Content:
    return _DOCUMENT


OPERATIONS: Final[tuple[Operation[Services, object], ...]] = (
    *chain.from_iterable(OBJECTS.values()),
    # An id may hold a slash, so what is more than the customer comes before the customer.
    GET_CUSTOMER_TIMELINE,
    GET_CUSTOMER_LIFECYCLE,
    ERASE,
    GET_CUSTOMER,
    LIST_REFUSALS,
    LIST_EVENTS,
    GET_EVENT,
    LIST_ERASURES,
    *WINDMILL,
    HEALTHZ,
    READYZ,
    METRICS,
    Operation("/openapi.json", "openapi", "Get this document.", _openapi, Content, secured=False),
)
_DOCUMENT: Final = Content(encode(document(OPERATIONS)), JSON)


def routes(webhooks: Webhooks, services: Services) -> list[Route]:
    """Return the way in, then all operations."""
    return [
        Route(PATH, webhooks, methods=["POST"]),
        *(
            Route(operation.path, Endpoint(operation, services), methods=[operation.method])
            for operation in OPERATIONS
        ),
    ]
