"""Protocol: uvicorn's HTTP/1.1, with limits on what a peer may send and how slowly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from api.errors import ApiError, not_now

if TYPE_CHECKING:
    import asyncio

    from starlette.types import ASGIApp, Receive, Scope, Send

HEAD_BYTES_MAX: Final = 32 * 1024
"""The request line and the headers of a request."""
HEAD_TIMEOUT_S: Final = 10.0
CONNECTIONS_MAX: Final = 4_096
REQUESTS_MAX: Final = 4_096
"""Requests under way at the same time; later ones are asked to come again."""

_TOO_LARGE: Final = ApiError(
    431, "headers_too_large", f"the headers have more than {HEAD_BYTES_MAX} bytes"
)
_MALFORMED: Final = ApiError(400, "bad_request", "that is not an HTTP/1.1 request")
_BUSY: Final = not_now("busy", f"{REQUESTS_MAX} requests are under way")


async def _say_busy(_scope: Scope, _receive: Receive, send: Send) -> None:
    await _BUSY.answer().send(send)


class BoundedProtocol(HttpToolsProtocol):
    """One connection, whose peer must send its headers in time and within bounds."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 -- uvicorn's own
        super().__init__(*args, **kwargs)
        self._served: ASGIApp = self.app
        self._head_bytes = 0
        self._head_complete = False
        self._head_deadline: asyncio.TimerHandle | None = None
        self._problem = _MALFORMED

    # Narrowed as uvicorn does: asyncio says BaseTransport, and gives a Transport.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, unless there are too many."""
        super().connection_made(transport)
        self._arm()
        if len(self.connections) > CONNECTIONS_MAX:
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; as long as the headers are not complete, count and time them."""
        super().data_received(data)
        if self._head_complete or self.transport.is_closing():
            return
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_BYTES_MAX:
            self._problem = _TOO_LARGE
            self.send_400_response("")
        else:
            self._arm()

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._head_bytes, self._head_complete = 0, False

    def on_headers_complete(self) -> None:
        """Hand the request to the application, or refuse it."""
        self._head_complete = True
        self._disarm()
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > HEAD_BYTES_MAX:
            self._problem = _TOO_LARGE
            raise ValueError  # the parser ends, and uvicorn calls send_400_response
        busy = len(self.tasks) >= REQUESTS_MAX
        self.app = _say_busy if busy else self._served
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer in the shape of all errors, and close the connection."""
        answer = self._problem.answer()
        lines = [b"%b: %b\r\n" % header for header in answer.headers]
        head = STATUS_LINE[answer.status] + b"".join(lines) + b"connection: close\r\n\r\n"
        self.transport.write(head + answer.body)
        self.transport.close()

    def _arm(self) -> None:
        if self._head_deadline is None:
            self._head_deadline = self.loop.call_later(HEAD_TIMEOUT_S, self.transport.close)

    def _disarm(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None
