"""Serves a page: who looks, what is asked, what is seen, and what a browser may do with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.http.auth import check_site
from api.http.errors import INTERNAL, ApiError, InvalidParameterError
from api.http.questions import Past
from api.http.reader import Reader
from api.http.responses import Content
from api.http.scopes import EVERYBODY
from console.address import completed, pairs_of
from console.failures import view_of
from console.page import Redirect, View
from console.rendering.environment import render
from console.security import HEADERS, UNCACHED
from console.visit import MenuItem, Visit, Visitor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import Receive, Scope, Send

    from api.services import Services
    from console.address import Pairs
    from console.page import AnyPage, Seen

HTML: Final = "text/html; charset=utf-8"
_TIME: Final = Reader(Past)
_STRANGER: Final = Visitor(EVERYBODY, "", signed_in=False)


class Site:
    """What all pages are served from."""

    def __init__(self, services: Services, pages: Sequence[AnyPage]) -> None:
        self.services = services
        self._menu = [(page, page.menu) for page in pages if page.menu is not None]

    async def visitor(self, scope: Scope) -> Visitor:
        """Return who looks.

        Raises:
            ApiError: 401, 403 or 503, as for whoever asks the API.
        """
        services = self.services
        caller = await services.guard.check(scope, services.keys)
        return Visitor(caller, "", signed_in=False)

    def menu_for(self, visitor: Visitor) -> list[MenuItem]:
        """Return the pages of the navigation that a visitor may see, each with its path."""
        caller = visitor.caller
        return [
            MenuItem(page.path, *menu)
            for page, menu in self._menu
            if page.scope in caller.may and not (page.of_all and caller.business_id is not None)
        ]

    def visit_of(self, visitor: Visitor, path: str, pairs: Pairs, time: Past) -> Visit:
        """Return a look at a page of this site."""
        return Visit(
            self.services,
            visitor,
            path=path,
            asked=pairs,
            time=time,
            menu=self.menu_for(visitor),
        )


class PageEndpoint:
    """Serves one page (ASGI)."""

    def __init__(self, page: AnyPage, site: Site) -> None:
        self._page = page
        self._site = site
        self._reader: Reader[Any] = Reader(page.takes, page.path)
        self._fields = {**_TIME.query, **self._reader.query}
        # The visit has the times; the page, too, where it takes them itself.
        self._own = self._fields.keys() - (_TIME.query.keys() - self._reader.query.keys())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Show it."""
        visit = self._site.visit_of(_STRANGER, scope["path"], [], Past())
        try:
            if is_from_elsewhere(scope):
                seen: Seen = arrival(scope)
            else:
                visitor = await self._site.visitor(scope)
                visit = self._site.visit_of(visitor, scope["path"], [], Past())
                visit, seen = await self._seen(scope, visitor)
        except ApiError as error:
            seen = view_of(error)
        except Exception:
            await shown(visit, view_of(INTERNAL))(scope, receive, send)
            raise  # for the log
        await shown(visit, seen)(scope, receive, send)

    async def _seen(self, scope: Scope, visitor: Visitor) -> tuple[Visit, Seen]:
        page, path = self._page, scope["path"]
        visitor.caller.check(page.scope, of_all=page.of_all)
        sent = pairs_of(scope["query_string"])
        pairs = completed(sent, self._fields)
        visit = self._site.visit_of(visitor, path, pairs, Past())
        if pairs != sent:
            return visit, Redirect(f"{quote(path)}?{urlencode(pairs)}" if pairs else quote(path))
        try:
            time = _TIME.of({}, [pair for pair in pairs if pair[0] in _TIME.query])
            visit = self._site.visit_of(visitor, path, pairs, time)
            query = self._query(scope["path_params"], pairs)
            return visit, await page.handle(visit, query)
        except ApiError as error:
            return visit, view_of(error)

    def _query(self, path: Mapping[str, str], pairs: Pairs) -> Any:  # noqa: ANN401 -- the page's
        own = [pair for pair in pairs if pair[0] not in _TIME.query or pair[0] in self._own]
        try:
            return self._reader.of(path, own)
        except InvalidParameterError as error:
            if error.name in path:
                raise ApiError(404, "not_found", str(error)) from error
            raise


def shown(visit: Visit, seen: Seen) -> Response:
    """Return the response that lets see this."""
    if isinstance(seen, Redirect):
        return Response(status_code=303, headers={**HEADERS, **UNCACHED, "location": seen.address})
    if isinstance(seen, Content):
        media_type = {"content-type": seen.media_type.decode()}
        return Response(seen.body, 200, {**HEADERS, **UNCACHED, **media_type})
    headers = {**HEADERS, **UNCACHED, **seen.headers, "content-type": HTML}
    return Response(render(seen, visit), seen.status, headers)


def is_from_elsewhere(scope: Scope) -> bool:
    """Tell whether somebody follows a link of another site; raise for what else another sends.

    Raises:
        ApiError: 403; another site's page asks for it, not to be looked at.
    """
    try:
        check_site(scope)
    except ApiError:
        headers = dict(scope["headers"])
        looked_at = headers.get(b"sec-fetch-mode"), headers.get(b"sec-fetch-dest")
        if scope["method"] not in {"GET", "HEAD"} or looked_at != (b"navigate", b"document"):
            raise
        return True
    return False


def arrival(scope: Scope) -> View:
    """Return a page that leads on to where a link of another site points.

    The browser sends no cookie along with such a link (SameSite=Strict), and does with the next.
    """
    query = scope["query_string"].decode("latin-1")
    address = quote(scope["path"]) + (f"?{quote(query, safe='=&%+')}" if query else "")
    return View(
        "arrival.html", "Raphus", {"address": address}, headers={"refresh": f"0; url={address}"}
    )


class Elsewhere:
    """Answers where no route leads: with a page to who looks, to programs as ever (ASGI)."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        accepts = b",".join(value for name, value in scope["headers"] if name == b"accept")
        if scope["type"] != "http" or b"text/html" not in accepts or scope["path"][:4] == "/v1/":
            raise HTTPException(404)
        visitor = _STRANGER
        try:
            if not is_from_elsewhere(scope):
                visitor = await self._site.visitor(scope)
            problem = ApiError(404, "not_found", "no page has this address")
        except ApiError as error:
            problem = error
        visit = self._site.visit_of(visitor, scope["path"], [], Past())
        await shown(visit, view_of(problem))(scope, receive, send)
