"""The way in and out: a key is given for a session, and a session is ended."""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, quote

from api.http.admission import network_of
from api.http.auth import check_site
from api.http.errors import ApiError
from api.webhooks.request_body import DisconnectedError
from console.acting import check_sender, form_of
from console.failures import view_of
from console.page import Redirect, View
from console.responses import shown
from console.serving import SIGN_IN, arrival, is_from_elsewhere
from console.sessions.cookie import forgotten, kept, token_of
from console.sessions.tries import Tries
from console.site import STRANGER
from telemetry.logs import Throttle

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from api.webhooks.request_body import BodyReader
    from console.page import Seen
    from console.site import Site

_log = Throttle(logging.getLogger(__name__))

SIGN_OUT: Final = "/sign-out"


class SignIn:
    """Shows the form, and takes a key (ASGI)."""

    def __init__(self, site: Site, bodies: BodyReader) -> None:
        self._site = site
        self._bodies = bodies
        self._tries = Tries()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            if scope["method"] != "POST":
                seen = await self._form(scope)
            else:
                check_site(scope)
                seen = await self._taken(scope, receive)
        except DisconnectedError:
            return
        except ApiError as error:
            seen = view_of(error)
        await shown(self._site.visit(STRANGER, SIGN_IN), seen)(scope, receive, send)

    async def _form(self, scope: Scope) -> Seen:
        if is_from_elsewhere(scope):
            return arrival(scope)
        asked = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        to = _own(asked.get("to", "/"))
        try:
            await self._site.visitor(scope)
        except ApiError as error:
            if error.status != 401:
                raise
            return _form(to)
        return Redirect(to)

    async def _taken(self, scope: Scope, receive: Receive) -> Seen:
        form = dict(await form_of(scope, receive, self._bodies))
        to, key = _own(form.get("to", "/")), form.get("key", "").strip().encode()
        peer, now = _peer(scope), time.monotonic()
        wait_s = math.ceil(self._tries.wait_s(peer, now))
        if wait_s:
            message = f"too many keys were tried that are none: wait {wait_s} s"
            raise ApiError(429, "too_many_tries", message, headers={"retry-after": str(wait_s)})
        caller = await self._site.sessions.caller_with(key)
        if caller is None:
            self._tries.count(peer, now)
            self._site.services.metrics.count_refused("unauthorized")
            _log.warning("somebody tried to sign in to the console with what is no key")
            return _form(to, "That is no API key of this server, or it was revoked.")
        if "read" not in caller.may:
            return _form(to, "This key may not read: the console takes one with that scope.")
        token = await self._site.sessions.begin(key)
        return Redirect(to, kept(token, scope))


class SignOut:
    """Ends the session (ASGI)."""

    def __init__(self, site: Site, bodies: BodyReader) -> None:
        self._site = site
        self._bodies = bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        token = token_of(scope)
        try:
            visitor = await self._site.visitor(scope)
            check_sender(await form_of(scope, receive, self._bodies), visitor)
            if token is not None:
                await self._site.sessions.end(token)
            seen: Seen = Redirect(SIGN_IN, forgotten(scope))
        except DisconnectedError:
            return
        except ApiError as error:
            seen = view_of(error)
        await shown(self._site.visit(STRANGER, SIGN_OUT), seen)(scope, receive, send)


def _form(to: str, problem: str | None = None) -> View:
    status = 200 if problem is None else 401
    return View("sign_in.html", "Sign in", {"to": to, "problem": problem}, status)


def _own(address: str) -> str:
    """Return an address of this server as it is; `/` for any other."""
    ours = address.startswith("/") and address[1:2] not in {"/", "\\"} and address.isprintable()
    return quote(address, safe="/?=&%+-._~:@!$'()*,;") if ours else "/"


def _peer(scope: Scope) -> str | bytes:
    client = scope.get("client")
    return network_of(client[0]) if client else ""
