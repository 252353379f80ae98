"""Sends what a page lists whole, as a file: the API's export, to whoever looks at the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from api.exports.catalogue import find
from api.exports.sending import Exchange, send_export
from api.http.errors import ApiError
from console.responses import shown
from console.serving import arrival, is_from_elsewhere, refusal
from console.site import STRANGER

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from console.page import Seen
    from console.site import Site

PATH: Final = "/exports/{list:path}"


class Downloads:
    """Sends any of the API's exports (ASGI)."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send one file, or a page that says why there is none."""
        site, visitor = self._site, STRANGER
        try:
            if is_from_elsewhere(scope):
                seen: Seen = arrival(scope)
            else:
                visitor = await site.visitor(scope)
                asked = find(scope["path_params"]["list"], scope["query_string"])
                exchange = Exchange(scope, receive, send)
                await send_export(site.services, visitor.caller, asked, exchange)
                return
        except ApiError as error:
            seen = refusal(scope, error)
        await shown(site.visit(visitor, scope["path"]), seen)(scope, receive, send)
