"""What all pages are served from: who looks, and what there is to go to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.http.auth import check_site
from api.http.scopes import EVERYBODY
from console.lately import Lately
from console.sessions.cookie import token_of
from console.sessions.sessions import Sessions, csrf_token
from console.visit import MenuItem, Visit, Visitor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import Scope

    from api.services import Services
    from console.page import AnyPage

STRANGER = Visitor(EVERYBODY, "", signed_in=False)
"""Who has not said who he is, or may not."""


class Site:
    """The console of one server."""

    def __init__(self, services: Services, pages: Sequence[AnyPage]) -> None:
        self.services = services
        self.sessions = Sessions(services.database, services.guard, services.keys)
        self._menu = [(page, page.menu) for page in pages if page.menu is not None]
        self._lately = Lately()
        self._csrf_token = csrf_token(services.share.secret)
        """Of who needs no session: an open server's visitors, and programs that show a key."""

    async def visitor(self, scope: Scope) -> Visitor:
        """Return who looks: whose session the cookie is of, else who shows a key with the request.

        Raises:
            ApiError: 401, 403 or 503, as for whoever asks the API.
        """
        check_site(scope)
        token = token_of(scope)
        if token is not None:
            caller = await self.sessions.caller(token)
            if caller is not None:
                return Visitor(caller, csrf_token(token), signed_in=True)
        caller = await self.services.guard.check(scope, self.services.keys)
        return Visitor(caller, self._csrf_token, signed_in=False)

    def visit(self, visitor: Visitor, path: str) -> Visit:
        """Return a look at a page, of which nothing is asked yet."""
        return Visit(
            self.services,
            visitor,
            path=path,
            menu=self._menu_for(visitor),
            lately=self._lately,
            sessions=self.sessions,
        )

    def _menu_for(self, visitor: Visitor) -> list[MenuItem]:
        caller = visitor.caller
        return [
            MenuItem(page.path, *menu)
            for page, menu in self._menu
            if page.scope in caller.may and not (page.of_all and caller.business_id is not None)
        ]
