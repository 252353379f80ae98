"""Shared: what is asked over HTTP, with the standard library, and errors that hold no secret."""

from __future__ import annotations

import base64
import json
import re
import time
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_S = 30
TRIES = 5
WAIT_MAX_S = 10
TOLD_CHARS_MAX = 200
ANSWER_BYTES_MAX = 16 * 1024 * 1024
NOT_NOW = frozenset({429, 503})
# A server may say in its error what it was told of a person: nobody's address, nobody's number.
PERSONAL = re.compile(r"[^\s\"'<>(),;:]+@[^\s\"'<>(),;]+|\+?\d[\d ()-]{6,}\d")


class RefusedError(Exception):
    """A server answered with an error; `retry_after_s` is what it asks for, else 1."""

    def __init__(self, message: str, status: int, retry_after_s: int) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s


class _StayHere(HTTPRedirectHandler):
    """Follows no redirect: the token is for the server that it was meant for."""

    def redirect_request(self, *_: object) -> None:
        return None


def basic(user: str, password: str) -> dict[str, str]:
    """Return the header that names a user with a password."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def fetched(
    url: str,
    token: str = "",
    body: object = None,
    *,
    method: str | None = None,
    headers: Mapping[str, str] | None = None,
    text: bool = False,
) -> Any:  # noqa: ANN401 -- JSON
    """Ask, or send a body as JSON (bytes as they are), and return what is answered.

    It is asked again while the server says that it does not take it now (429, 503), when the
    server says. The answer is what it is as JSON, else, or with `text`, a text. The URL and the
    token are not told by any error: either may be a secret.

    Raises:
        RefusedError: the server answered with an error, or went on saying "not now".
        ConnectionError: it could not be reached.
    """
    told = {"Content-Type": "application/json; charset=utf-8"} | dict(headers or {})
    if token:
        told["Authorization"] = f"Bearer {token}"
    content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    for _ in range(TRIES - 1):
        try:
            answer = _asked(url, content, told, method)
            break
        except RefusedError as error:
            if error.status not in NOT_NOW:
                raise
            time.sleep(min(error.retry_after_s, WAIT_MAX_S))
    else:
        answer = _asked(url, content, told, method)
    if text:
        return answer
    try:
        return json.loads(answer)
    except ValueError:
        return answer


def _asked(url: str, content: bytes | None, headers: dict[str, str], method: str | None) -> str:
    host = urlsplit(url).hostname
    try:
        if urlsplit(url).scheme not in {"http", "https"}:
            raise URLError("the address is not of the web")
        request = Request(url, content, headers, method=method)  # noqa: S310 -- it was looked at
        with build_opener(_StayHere).open(request, timeout=TIMEOUT_S) as answer:
            text: str = answer.read(ANSWER_BYTES_MAX).decode()
            return text
    except HTTPError as error:
        with error:
            told = error.read(TOLD_CHARS_MAX).decode("utf-8", "replace")
        retry = error.headers.get("Retry-After", "")
        wait_s = int(retry) if retry.isdecimal() else 1
        message = f"{host} answered {error.code}: {PERSONAL.sub('…', told)}"
        raise RefusedError(message, error.code, wait_s) from None
    except URLError as error:
        raise ConnectionError(f"{host} cannot be reached: {error.reason}") from None
    except HTTPException as error:
        raise ConnectionError(f"{host} cannot be asked: {type(error).__name__}") from None
