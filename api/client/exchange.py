"""How a server is asked over HTTP, whoever waits for it: settings, limits, answers and failures."""

from __future__ import annotations

import os
import re
import ssl
from abc import ABC, abstractmethod
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Generic, TypedDict, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec

from api.client.failures import RequestFailed, Unavailable
from api.client.withheld import HEADER, read_withheld
from api.http.errors import ErrorBody

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.client.questions import Question

T = TypeVar("T")
Http = TypeVar("Http")
URL: Final = "http://127.0.0.1:8000"
CONNECT_S: Final = 2.0
ANSWER_S: Final = 5.0
WAIT_S: Final = 6.0
"""As long may the server take to catch up, with a second to spare."""
LOST: Final = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)
"""The connection ended before an answer came: as a rule one that was kept open too long.

Then a question, which changes nothing, is asked once more, at once. After a timeout or a 503 it is
not: who guards a page must not wait twice.
"""
_NOT_NOW: Final = frozenset({429, 502, 503, 504})


class Settings(TypedDict):
    """What `httpx.Client` and `httpx.AsyncClient` are made with."""

    base_url: str
    headers: dict[str, str]
    timeout: httpx.Timeout
    follow_redirects: bool
    trust_env: bool
    verify: ssl.SSLContext


class Asked(TypedDict):
    """What their `get` is called with."""

    url: str
    params: tuple[tuple[str, str], ...]
    timeout: httpx.Timeout


class Server(ABC, Generic[Http]):
    """A server, and the key by which it is asked.

    No proxy is taken from the environment, and no redirect is followed: both would be shown the
    key.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        timeout_s: float = ANSWER_S,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Take what is not given from RAPHUS_URL and RAPHUS_API_KEY; nothing is asked yet.

        `timeout_s` is how long to wait for an answer; to be connected takes 2 s at the most. `tls`
        is for a server whose certificate is of your own authority.

        Raises:
            ValueError: the URL or the key cannot be one.
        """
        self.url = _checked_url(url or os.environ.get("RAPHUS_URL") or URL)
        key = (api_key or os.environ.get("RAPHUS_API_KEY") or "").strip()
        if not re.fullmatch("[!-~]*", key):
            raise ValueError("the API key has characters that a key cannot have")
        self._timeout_s = timeout_s
        self._http = self._open(
            Settings(
                base_url=self.url,
                headers={"authorization": f"Bearer {key}"} if key else {},
                timeout=self._timeout(timeout_s),
                follow_redirects=False,
                trust_env=False,
                verify=tls or _tls(self.url),
            )
        )

    @abstractmethod
    def _open(self, settings: Settings) -> Http: ...

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def _asked(self, question: Question[Any]) -> Asked:
        waited_s = WAIT_S if question.waits else 0.0
        timeout = self._timeout(self._timeout_s + waited_s)
        return Asked(url=question.path, params=question.pairs, timeout=timeout)

    @staticmethod
    def _timeout(answer_s: float) -> httpx.Timeout:
        return httpx.Timeout(answer_s, connect=min(CONNECT_S, answer_s))


@contextmanager
def failures() -> Iterator[None]:
    """Tell what httpx raises as failures of ours, without what it quotes."""
    try:
        yield
    except httpx.TimeoutException as error:
        raise Unavailable("timeout", "the server does not answer in time") from error
    except httpx.TransportError as error:
        message = f"the server is not reached ({type(error).__name__})"
        raise Unavailable("unreachable", message) from error
    except httpx.HTTPError as error:
        raise RequestFailed("unreadable", "the answer cannot be decompressed") from error


def answer_to(question: Question[T], response: httpx.Response) -> T:
    """Read the answer to a question.

    Raises:
        RequestFailed: it is an error, or nothing that Raphus answers.
    """
    if response.status_code != 200:
        raise _failure(response)
    try:
        if HEADER in response.headers:
            return read_withheld(response.content, question.answer)
        type_: Any = question.answer
        answer: T = _decoder(type_).decode(response.content)
    except msgspec.DecodeError as error:
        message = "the answer is not one of Raphus, or of a newer one than this client knows"
        raise RequestFailed("unreadable", message, status=200) from error
    return answer


@cache
def _decoder(type_: Any) -> msgspec.json.Decoder[Any]:  # noqa: ANN401 -- a type
    return msgspec.json.Decoder(type_)


def _failure(response: httpx.Response) -> RequestFailed:
    status = response.status_code
    failed = Unavailable if status in _NOT_NOW else RequestFailed
    after = response.headers.get("retry-after", "")
    retry_after_s = int(after) if re.fullmatch("[0-9]{1,6}", after) else None
    try:
        told = _decoder(ErrorBody).decode(response.content).error
    except msgspec.DecodeError:
        message = f"status {status}, by something that is not Raphus"
        return failed("unexpected", message, status=status, retry_after_s=retry_after_s)
    return failed(
        told.code,
        told.message,
        status=status,
        details=told.details,
        retry_after_s=retry_after_s,
    )


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("the URL of the server must be such as https://raphus.example.com")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("the URL of the server must have no user, no query and no fragment")
    return url


def _tls(url: str) -> ssl.SSLContext:
    if url.startswith("https:"):
        return ssl.create_default_context()
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody, and so is made at once
