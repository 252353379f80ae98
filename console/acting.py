"""Does what a form asks for: only for who may, and only from a page of his own session."""

from __future__ import annotations

import hmac
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from api.http.errors import INTERNAL, ApiError
from api.http.reader import PARAMETERS_MAX, Reader
from api.webhooks.request_body import (
    BodyReader,
    DisconnectedError,
    TooLargeError,
    TooMuchError,
    TooSlowError,
)
from console.address import completed
from console.failures import view_of
from console.page import View
from console.responses import shown
from console.site import STRANGER
from console.unread import wrong_field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send

    from api.http.reader import Pairs
    from console.page import Action, Seen
    from console.site import Site
    from console.unread import Unread
    from console.visit import Visit, Visitor

TOKEN: Final = "csrf_token"  # noqa: S105 -- the name of a field
FORM_BYTES_MAX: Final = 64 * 1024
_FORM: Final = b"application/x-www-form-urlencoded"


class ActionEndpoint:
    """Serves one action (ASGI)."""

    def __init__(self, action: Action[Any], site: Site, bodies: BodyReader) -> None:
        self._action = action
        self._site = site
        self._bodies = bodies
        self._reader: Reader[Any] = Reader(action.takes, action.path)
        self._form_reader: Reader[Any] = Reader(action.form.takes, action.form.path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Do it, and show what has come of it."""
        visit = self._site.visit(STRANGER, scope["path"])
        try:
            visitor = await self._site.visitor(scope)
            visit = self._site.visit(visitor, scope["path"])
            seen = await self._done(visit, scope, receive)
        except DisconnectedError:
            return
        except ApiError as error:
            seen = view_of(error)
        except Exception:
            await shown(visit, view_of(INTERNAL))(scope, receive, send)
            raise  # for the log
        await shown(visit, seen)(scope, receive, send)

    async def _done(self, visit: Visit, scope: Scope, receive: Receive) -> Seen:
        action = self._action
        visit.caller.check(action.scope, of_all=action.of_all)
        form = await form_of(scope, receive, self._bodies)
        check_sender(form, visit.visitor)
        sent = completed((pair for pair in form if pair[0] != TOKEN), self._reader.query)
        path: Mapping[str, str] = scope["path_params"]
        try:
            return await action.handle(visit, self._reader.of(path, sent))
        except ApiError as error:
            wrong = self._wrong(path, sent, error)
            if not wrong:
                raise
        visit.typed = dict(sent)
        visit.unread = {one.name: one._replace(text=visit.typed.get(one.name, "")) for one in wrong}
        return await self._form_again(visit, path, sent)

    def _wrong(self, path: Mapping[str, str], sent: Pairs, error: ApiError) -> list[Unread]:
        """Return the field that an error is about, and those that cannot be read besides."""
        found: list[Unread] = []
        wrong = wrong_field(error, self._reader.query)
        while wrong is not None:
            found.append(wrong)
            sent = [pair for pair in sent if pair[0] != wrong.name]
            wrong = self._first_wrong(path, sent)
        return found

    def _first_wrong(self, path: Mapping[str, str], sent: Pairs) -> Unread | None:
        try:
            self._reader.of(path, sent)
        except ApiError as error:
            return wrong_field(error, self._reader.query)
        return None

    async def _form_again(self, visit: Visit, path: Mapping[str, str], sent: Pairs) -> Seen:
        """Show the page with the form, as it was filled."""
        form, reader = self._action.form, self._form_reader
        if not reader.path:
            visit.path = form.path
        visit.asked = [
            pair for pair in sent if pair[0] in reader.query and pair[0] not in visit.unread
        ]
        parts = {name: path[name] for name in reader.path}
        seen = await form.handle(visit, reader.of(parts, visit.asked))
        return replace(seen, status=400) if isinstance(seen, View) else seen


def check_sender(form: Pairs, visitor: Visitor) -> None:
    """Refuse a form that no page of the visitor's session has sent.

    Raises:
        ApiError: 403.
    """
    given = [text for name, text in form if name == TOKEN]
    expected = visitor.csrf_token.encode()
    if len(given) != 1 or not hmac.compare_digest(given[0].encode(), expected):
        raise ApiError(403, "not_of_session", "this form is of no session, or of one that is over")


async def form_of(scope: Scope, receive: Receive, bodies: BodyReader) -> Pairs:
    """Read the fields of a form.

    Raises:
        ApiError: 400, 408 or 413; it is none, comes too slowly, or is too large.
        DisconnectedError: the peer has gone.
    """
    kinds = [value for name, value in scope["headers"] if name == b"content-type"]
    if len(kinds) != 1 or kinds[0].partition(b";")[0].strip().lower() != _FORM:
        raise ApiError(400, "not_a_form", f"send it as {_FORM.decode()}")
    try:
        body = await bodies.read(receive)
    except (TooLargeError, TooMuchError) as error:
        raise _too_large() from error
    except TooSlowError as error:
        raise ApiError(408, "too_slow", "the form did not come whole in time") from error
    if len(body) > FORM_BYTES_MAX:
        raise _too_large()
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=PARAMETERS_MAX)
    except ValueError as error:
        message = f"the form is not UTF-8, or has more than {PARAMETERS_MAX} fields"
        raise ApiError(400, "not_a_form", message) from error


def _too_large() -> ApiError:
    return ApiError(413, "too_large", f"a form has {FORM_BYTES_MAX} bytes at the most")
