"""Shared: JSON over HTTP, with the standard library, and errors that hold no secret."""

from __future__ import annotations

import json
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

TIMEOUT_S = 30
TOLD_CHARS_MAX = 200
ANSWER_BYTES_MAX = 16 * 1024 * 1024


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


def fetched(url: str, token: str = "", body: object = None) -> Any:  # noqa: ANN401 -- JSON
    """Ask, or post a body as JSON, and return what is answered: JSON, else text.

    The URL and the token are not told by any error: either may be a secret.

    Raises:
        RefusedError: the server answered with an error.
        ConnectionError: it could not be reached.
    """
    host = urlsplit(url).hostname
    headers = {"Content-Type": "application/json; charset=utf-8"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    content = None if body is None else json.dumps(body).encode()
    try:
        if urlsplit(url).scheme not in {"http", "https"}:
            raise URLError("the address is not of the web")
        request = Request(url, content, headers)  # noqa: S310 -- the scheme was looked at
        with build_opener(_StayHere).open(request, timeout=TIMEOUT_S) as answer:
            text = answer.read(ANSWER_BYTES_MAX).decode()
    except HTTPError as error:
        with error:
            told = error.read(TOLD_CHARS_MAX).decode("utf-8", "replace")
        retry = error.headers.get("Retry-After", "")
        wait_s = int(retry) if retry.isdecimal() else 1
        message = f"{host} answered {error.code}: {told}"
        raise RefusedError(message, error.code, wait_s) from None
    except URLError as error:
        raise ConnectionError(f"{host} cannot be reached: {error.reason}") from None
    except HTTPException as error:
        raise ConnectionError(f"{host} cannot be asked: {type(error).__name__}") from None
    try:
        return json.loads(text)
    except ValueError:
        return text
