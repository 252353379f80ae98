"""Serves a page: who looks, what is asked, and what is seen."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from starlette.exceptions import HTTPException

from api.http.auth import check_site
from api.http.errors import INTERNAL, ApiError, InvalidParameterError
from api.http.questions import Past
from api.http.reader import Reader, pairs_of
from console.address import completed
from console.failures import view_of
from console.page import Redirect, View
from console.responses import shown
from console.site import STRANGER
from console.unread import wrong_field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send

    from api.http.reader import Pairs
    from console.page import AnyPage, Seen
    from console.site import Site
    from console.visit import Visit

_TIME: Final = Reader(Past)
_OPENED_BY_A_LINK: Final = (b"navigate", b"document")
"""What a browser says (`Sec-Fetch-Mode`, `-Dest`) of a page that is to be looked at."""
SIGN_IN: Final = "/sign-in"


class PageEndpoint:
    """Serves one page (ASGI)."""

    def __init__(self, page: AnyPage, site: Site) -> None:
        self._page = page
        self._site = site
        self._reader: Reader[Any] = Reader(page.takes, page.path)
        self._fields = {**_TIME.query, **self._reader.query}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Show it."""
        visit = self._site.visit(STRANGER, scope["path"])
        try:
            if is_from_elsewhere(scope):
                seen: Seen = arrival(scope)
            else:
                visit = self._site.visit(await self._site.visitor(scope), scope["path"])
                seen = await self._seen(visit, scope)
            # A large page takes its time to write, in which the server takes webhooks.
            response = await asyncio.to_thread(shown, visit, seen)
        except ApiError as error:
            response = shown(visit, refusal(scope, error))
        except Exception:
            await shown(visit, view_of(INTERNAL))(scope, receive, send)
            raise  # for the log
        await response(scope, receive, send)

    async def _seen(self, visit: Visit, scope: Scope) -> Seen:
        """Read what is asked into the visit, as far as it can be read, and return what is seen."""
        page = self._page
        try:
            visit.caller.check(page.scope, of_all=page.of_all)
            sent = pairs_of(scope["query_string"])
            pairs = completed(sent, self._fields)
            if pairs != sent:
                return Redirect(_address(visit.path, pairs))
            visit.asked = pairs
            return await self._as_far_as_it_is_read(visit, scope["path_params"])
        except ApiError as error:
            return view_of(error)

    async def _as_far_as_it_is_read(self, visit: Visit, path: Mapping[str, str]) -> Seen:
        """Show the page without the fields that cannot be read: its form says which, and why."""
        first: ApiError | None = None
        while True:
            try:
                pairs = visit.asked
                visit.time = _TIME.of({}, [pair for pair in pairs if pair[0] in _TIME.query])
                seen = await self._page.handle(visit, self._query(path, pairs))
            except ApiError as error:
                wrong = wrong_field(error, self._fields)
                if wrong is None or not visit.set_aside(wrong):
                    raise
                first = first or error
                continue
            if first is None:
                return seen
            if not isinstance(seen, View):
                raise first  # a file, or what leads elsewhere, has no form
            return replace(seen, status=400)

    def _query(self, path: Mapping[str, str], pairs: Pairs) -> Any:  # noqa: ANN401 -- the page's
        """Read what the page takes; the times, too, where it takes them itself."""
        times = _TIME.query.keys() - self._reader.query.keys()
        try:
            return self._reader.of(path, [pair for pair in pairs if pair[0] not in times])
        except InvalidParameterError as error:
            if error.name in path:
                raise ApiError(404, "not_found", str(error)) from error
            raise


class Elsewhere:
    """Answers where no route leads: with a page to who looks, to programs as ever (ASGI)."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        accepts = b",".join(value for name, value in scope["headers"] if name == b"accept")
        if scope["type"] != "http" or b"text/html" not in accepts or scope["path"][:4] == "/v1/":
            raise HTTPException(404)
        visitor, path = STRANGER, scope["path"]
        try:
            if not is_from_elsewhere(scope):
                visitor = await self._site.visitor(scope)
            seen: Seen = view_of(ApiError(404, "not_found", "no page has this address"))
        except ApiError as error:
            seen = refusal(scope, error)
        await shown(self._site.visit(visitor, path), seen)(scope, receive, send)


def refusal(scope: Scope, error: ApiError) -> Seen:
    """Return what is seen by somebody who may not look: where to sign in, or what is wrong."""
    if error.status != 401 or scope["method"] not in {"GET", "HEAD"}:
        return view_of(error)
    to = _address(scope["path"], scope["query_string"].decode("latin-1"))
    return Redirect(SIGN_IN if to == "/" else f"{SIGN_IN}?{urlencode({'to': to})}")


def is_from_elsewhere(scope: Scope) -> bool:
    """Tell whether somebody follows a link of another site.

    Raises:
        ApiError: 403; a page of another site asks, and not for a page to be looked at.
    """
    try:
        check_site(scope)
    except ApiError:
        headers = dict(scope["headers"])
        opened = headers.get(b"sec-fetch-mode"), headers.get(b"sec-fetch-dest")
        if scope["method"] not in {"GET", "HEAD"} or opened != _OPENED_BY_A_LINK:
            raise
        return True
    return False


def arrival(scope: Scope) -> View:
    """Return a page that leads on to where a link of another site points.

    The browser sends no cookie along with such a link (SameSite=Strict), and does with the next.
    """
    address = _address(scope["path"], scope["query_string"].decode("latin-1"))
    headers = {"refresh": f"0; url={address}"}
    return View("arrival.html", "One moment", {"address": address}, headers=headers)


def _address(path: str, query: Pairs | str) -> str:
    asked = quote(query, safe="=&%+") if isinstance(query, str) else urlencode(query)
    return f"{quote(path)}?{asked}" if asked else quote(path)
