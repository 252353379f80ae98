"""Every page, in one list, and what serves them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.routing import Route

from api.app import Site as Pages
from console.pages.object import OBJECT_PAGES
from console.pages.objects_list import LISTS
from console.pages.search import SEARCH
from console.pages.today import TODAY
from console.rendering.environment import environment
from console.serving import Elsewhere, PageEndpoint, Site
from console.static_files import PATH, send_file

if TYPE_CHECKING:
    from api.services import Services
    from console.page import AnyPage

PAGES: Final[tuple[AnyPage, ...]] = (
    TODAY,
    SEARCH,
    *LISTS,
    # An id may hold a slash, so what is more than an object comes before the object.
    *OBJECT_PAGES,
)
"""In the order in which they are looked for; those of the menu stand there in this order."""


def console(services: Services) -> Pages:
    """Make the console of a server."""
    environment()
    site = Site(services, PAGES)
    pages = (Route(page.path, PageEndpoint(page, site), methods=["GET"]) for page in PAGES)
    files = Route(PATH, _Files(), methods=["GET"])
    return Pages([*pages, files], Elsewhere(site))


class _Files:
    """Sends files (ASGI); a function would be given a request."""

    __call__ = staticmethod(send_file)
