"""Every page, in one list, and what serves them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Route

from api.app import Site as Pages
from api.webhooks.request_body import BodyReader
from console.acting import ActionEndpoint
from console.downloads import PATH as DOWNLOADS
from console.downloads import Downloads
from console.live import PATH as LIVE
from console.live import Live
from console.pages.anomalies import ANOMALIES
from console.pages.customer import CUSTOMER, ERASING, ERASURE, EVIDENCE
from console.pages.events import BODY, EVENT, EVENTS
from console.pages.explanation import EXPLANATION_PAGES
from console.pages.health import HEALTH, HEALTH_ACTIONS
from console.pages.listed import LISTED
from console.pages.object import OBJECT_PAGES
from console.pages.objects_list import LISTS
from console.pages.refusals import REFUSALS
from console.pages.revenue import REVENUE
from console.pages.search import SEARCH
from console.pages.today import TODAY, TODAY_MRR
from console.pages.workflows import WORKFLOW_ACTIONS, WORKFLOWS
from console.serving import SIGN_IN, Elsewhere, PageEndpoint
from console.signing_in import SIGN_OUT, SignIn, SignOut
from console.site import Site
from console.static_files import PATH, Files

if TYPE_CHECKING:
    from api.services import Services
    from console.page import Action, AnyPage

PAGES: Final[tuple[AnyPage, ...]] = (
    TODAY,
    TODAY_MRR,
    SEARCH,
    *LISTS,
    *REVENUE,
    *LISTED,
    ANOMALIES,
    *WORKFLOWS,
    EVENTS,
    REFUSALS,
    HEALTH,
    # An id may hold a slash, so what is more than an object comes before the object.
    *EXPLANATION_PAGES,
    EVIDENCE,
    ERASURE,
    BODY,
    CUSTOMER,
    EVENT,
    *OBJECT_PAGES,
)
"""In the order in which they are looked for; those of the menu stand there in this order."""
ACTIONS: Final[tuple[Action[Any], ...]] = (ERASING, *WORKFLOW_ACTIONS, *HEALTH_ACTIONS)
"""What forms change."""
COMPRESSED_FROM_BYTES: Final = 2_048


def console(services: Services) -> Pages:
    """Make the console of a server."""
    site, bodies = Site(services, PAGES), BodyReader(services.share.workers)
    routes = [
        Route(SIGN_IN, SignIn(site, bodies), methods=["GET", "POST"]),
        Route(SIGN_OUT, SignOut(site, bodies), methods=["POST"]),
        Route(PATH, Files(), methods=["GET"]),
        Route(DOWNLOADS, Downloads(site), methods=["GET"]),
        Route(LIVE, Live(site), methods=["GET"]),
        *(Route(one.path, ActionEndpoint(one, site, bodies), methods=["POST"]) for one in ACTIONS),
        *(Route(one.path, _small(PageEndpoint(one, site)), methods=["GET"]) for one in PAGES),
    ]
    return Pages(routes, Elsewhere(site))


def _small(page: PageEndpoint) -> GZipMiddleware:
    # No other site can have a page asked for with a session, and so learn of it by its size.
    return GZipMiddleware(page, minimum_size=COMPRESSED_FROM_BYTES, compresslevel=4)
