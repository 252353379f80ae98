"""An `httpx.Client` whose plain requests take a quarter of the processor time.

A test that asks thousands of questions would spend more in its client than in the server.
"""

from __future__ import annotations

import re
import select
from collections import deque
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any, Final

import httpx
from httpx import USE_CLIENT_DEFAULT

if TYPE_CHECKING:
    import socket
    from types import TracebackType

_HANDLED: Final = {"params", "content", "headers"}
_PLAIN_PATH: Final = re.compile(r"(/[\w-][\w.-]*)+(\?[\w=&.:-]+)?", re.ASCII)
"""What is written in a request as it is."""


class QuickClient(httpx.Client):
    """Asks one server by `http.client` what is plain, and everything else as `httpx` does.

    What it returns knows nothing of its request.
    """

    def __init__(self, url: str, **options: Any) -> None:  # noqa: ANN401 -- those of httpx
        super().__init__(base_url=url, trust_env=False, **options)
        self._idle: deque[HTTPConnection] = deque()

    def request(self, method: str, url: httpx.URL | str, **given: Any) -> httpx.Response:  # noqa: ANN401 -- those of httpx
        """Send a request, and read its answer to the end."""
        asked = {
            name: value
            for name, value in given.items()
            if value is not None and value is not USE_CLIENT_DEFAULT
        }
        if asked.keys() <= _HANDLED and not self.cookies and self._is_plain(url, asked):
            response = self._answered(method, str(url), asked)
            if "set-cookie" in response.headers:
                response.request = self.build_request(method, url)
                self.cookies.extract_cookies(response)
            return response
        return super().request(method, url, **given)

    def _is_plain(self, url: httpx.URL | str, asked: dict[str, Any]) -> bool:
        return (
            isinstance(url, str)
            and self.base_url.scheme == "http"
            and _PLAIN_PATH.fullmatch(url) is not None
            and not ("?" in url and "params" in asked)
            and isinstance(asked.get("content", b""), bytes)
            and all(str(value).isascii() for value in asked.get("headers", {}).values())
        )

    def _answered(self, method: str, path: str, asked: dict[str, Any]) -> httpx.Response:
        if "params" in asked:
            path = f"{path}?{httpx.QueryParams(asked['params'])}".removesuffix("?")
        own = {name.lower(): value for name, value in asked.get("headers", {}).items()}
        connection = self._connection()
        try:
            connection.request(method, path, asked.get("content"), {**self.headers, **own})
            answer = connection.getresponse()
            body = answer.read()
        except ConnectionRefusedError as error:
            raise httpx.ConnectError(str(error)) from error
        except (OSError, HTTPException) as error:
            connection.close()
            raise httpx.ReadError(repr(error)) from error
        self._idle.append(connection)
        return httpx.Response(answer.status, headers=answer.getheaders(), content=body)

    def _connection(self) -> HTTPConnection:
        """Take one that is idle and not closed by the server, or make one."""
        while self._idle:
            connection = self._idle.pop()
            if connection.sock and not _says_something(connection.sock):
                return connection
            connection.close()
        return HTTPConnection(self.base_url.host, self.base_url.port, timeout=self.timeout.read)

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        super().__exit__(exc_type, exc_value, traceback)
        while self._idle:
            self._idle.pop().close()


def _says_something(sock: socket.socket) -> bool:
    """Tell whether a server that was asked nothing has closed the connection."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
