"""Routes: everything that is served, in one list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.routing import Route

from api.answers import Answer, answer, encode
from api.customers import GET_CUSTOMER, GET_CUSTOMER_TIMELINE
from api.events import GET_EVENT, LIST_EVENTS
from api.health import HEALTHZ, METRICS, READYZ
from api.openapi import document
from api.operations import Endpoint, Operation
from api.past import explained
from api.resources import listed, one
from api.timelines import LIST_REFUSALS, timeline_of
from api.webhooks import PATH, Webhooks
from projections import disputes, license_keys, payments, refunds, subscriptions

if TYPE_CHECKING:
    from api.parameters import Given
    from api.services import Reading, Services
    from projections.listing import Listing


async def _openapi(_services: Services, _given: Given) -> Answer:
    return answer(_DOCUMENT)


def _objects(listing: Listing[Any], kind: str) -> tuple[Operation[Reading], ...]:
    # An id may hold a slash, so what is more than the object comes before the object.
    more = timeline_of(listing, kind), explained(listing, kind)
    return listed(listing), *more, one(listing, kind)


OPERATIONS: Final[tuple[Operation[Services], ...]] = (
    *_objects(subscriptions.LISTING, "subscription"),
    *_objects(payments.LISTING, "payment"),
    *_objects(refunds.LISTING, "refund"),
    *_objects(disputes.LISTING, "dispute"),
    *_objects(license_keys.LISTING, "license_key"),
    GET_CUSTOMER_TIMELINE,
    GET_CUSTOMER,
    LIST_REFUSALS,
    LIST_EVENTS,
    GET_EVENT,
    HEALTHZ,
    READYZ,
    METRICS,
    Operation("/openapi.json", "openapi", "Get this document.", _openapi, secured=False),
)
_DOCUMENT: Final = encode(document(OPERATIONS))


def routes(webhooks: Webhooks, services: Services) -> list[Route]:
    """Return the way in, then the ways to ask."""
    return [
        Route(PATH, webhooks, methods=["POST"]),
        *(
            Route(operation.path, Endpoint(operation, services), methods=["GET"])
            for operation in OPERATIONS
        ),
    ]
