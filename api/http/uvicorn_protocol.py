"""Uvicorn's HTTP/1.1, with limits on what a peer may send, and how long it may take."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from api.http.errors import ApiError, not_now
from api.http.kept_head import KeptHead
from telemetry.logs import Throttle

if TYPE_CHECKING:
    import asyncio

    from starlette.types import ASGIApp, Receive, Scope, Send
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from api.http.admission import Admission

_log = Throttle(logging.getLogger(__name__))

HEAD_BYTES_MAX: Final = 32 * 1024
"""The request line and the headers of a request."""
HEAD_TIMEOUT_S: Final = 10.0
"""From a connection's begin, or a request's first byte, until the headers are complete. Who reads
a body (`api.webhooks.request_body`) times that."""
LINGER_S: Final = 2.0
"""How long the rest of a request may take that is answered already. Closing at once would take
the answer from a peer that is still sending."""
TAKE_TIMEOUT_S: Final = 60.0
"""How long a peer may take to take an answer."""
REQUESTS_MAX: Final = 4_096
"""Requests under way at the same time; later ones are asked to come again."""

_TOO_LARGE: Final = ApiError(
    431, "headers_too_large", f"the headers have more than {HEAD_BYTES_MAX} bytes"
)
_MALFORMED: Final = ApiError(400, "bad_request", "that is not an HTTP/1.1 request")
_BUSY: Final = not_now("busy", f"{REQUESTS_MAX} requests are under way")


async def _say_busy(_scope: Scope, _receive: Receive, send: Send) -> None:
    await _BUSY.response().send(send)


class BoundedProtocol(HttpToolsProtocol):
    """One connection, which at any time either we work for or a deadline runs for."""

    def __init__(self, admission: Admission, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self._admission = admission
        self._served: ASGIApp = self.app
        self._problem = _MALFORMED
        self._head_bytes = 0
        self._in_head = True
        """Whether what comes next belongs to a head: of the next request, or of one begun."""
        self._begun = False
        """Whether a request has begun to come, and has not come whole."""
        self._requests = 0
        self._serving: RequestResponseCycle | None = None
        self._turn_began = 0.0
        self._deadline: asyncio.TimerHandle | None = None
        self._take_deadline: asyncio.TimerHandle | None = None

    @property
    def address(self) -> str:
        """The peer's address."""
        return self.client[0] if self.client else ""

    @property
    def waits_since(self) -> float | None:
        """Since when it is the peer's turn to send or to take, None while it is ours."""
        answered = self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]
        ours = not (answered or self._begun)
        return None if ours and not self.flow.write_paused else self._turn_began

    def abort(self) -> None:
        """End the connection at once: what the peer has not taken is lost."""
        self.transport.abort()

    # Narrowed as uvicorn does: asyncio says BaseTransport, and gives a Transport.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, and make room for it."""
        super().connection_made(transport)
        self._turn_began = self.loop.time()
        self._arm(HEAD_TIMEOUT_S)
        self._admission.admit(self, self.connections)  # type: ignore[arg-type]  # all are ours

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._disarm()
        self._taken()
        self._admission.forget(self)
        super().connection_lost(exc)
        if self._serving is not None:
            # uvicorn tells only the last of several requests, which need not be the one served.
            self._serving.disconnected = True
            self._serving.message_event.set()

    def data_received(self, data: bytes) -> None:
        """Read on; as long as the headers are not complete, count and time them."""
        requests = self._requests
        super().data_received(data)
        if not self._in_head or self._requests != requests or self.transport.is_closing():
            return
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_BYTES_MAX:
            self._problem = _TOO_LARGE
            self.send_400_response("")
        elif self._deadline is None:
            self._arm(HEAD_TIMEOUT_S)

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._begun, self._head_bytes = True, 0
        self._turn_began = self.loop.time()

    def on_headers_complete(self) -> None:
        """Hand the request to the application, or refuse it."""
        self._in_head = False
        self._disarm()
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > HEAD_BYTES_MAX:
            self._problem = _TOO_LARGE
            raise ValueError  # the parser ends, and uvicorn calls send_400_response
        busy = len(self.tasks) >= REQUESTS_MAX
        self.app = _say_busy if busy else self._served
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End a request; where it is answered already, the connection is idle from here on."""
        self._begun, self._in_head, self._head_bytes = False, True, 0
        self._requests += 1
        self._disarm()
        super().on_message_complete()
        if self.cycle.response_complete:
            self._idle()

    def on_response_complete(self) -> None:
        """End an answer; what is still to come of its request may not take long."""
        super().on_response_complete()
        self._turn_began = self.loop.time()
        if self.transport.is_closing():
            self._await_taking()
        elif self._begun and not self._in_head and self.cycle.response_complete:
            self._arm(LINGER_S)

    def pause_writing(self) -> None:
        """Wait for the peer to take what is written, but not for ever."""
        super().pause_writing()
        self._turn_began = self.loop.time()
        self._await_taking()

    def resume_writing(self) -> None:
        """Go on writing."""
        super().resume_writing()
        self._taken()

    def timeout_keep_alive_handler(self) -> None:
        """End a connection that has been idle, even if it has not taken its last answer."""
        self.abort()

    def send_400_response(self, msg: str) -> None:
        """Answer in the shape of all errors, and close the connection."""
        response = self._problem.response()
        lines = [b"%b: %b\r\n" % header for header in response.headers]
        head = STATUS_LINE[response.status] + b"".join(lines) + b"connection: close\r\n\r\n"
        self.transport.write(head + response.body)
        self.transport.close()
        self._await_taking()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401
        self._serving = cycle
        cycle.transport = KeptHead(cycle, self.loop)
        super()._start_asgi_task(cycle, app)

    def _idle(self) -> None:
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def _arm(self, timeout_s: float) -> None:
        self._disarm()
        self._deadline = self.loop.call_later(timeout_s, self._is_late)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _is_late(self) -> None:
        if self._begun:  # a connection without a request is a browser's that was cautious
            _log.warning("a connection is closed: its request did not come whole in time")
        self.abort()

    def _await_taking(self) -> None:
        if self._take_deadline is None and self.transport.get_write_buffer_size():
            self._take_deadline = self.loop.call_later(TAKE_TIMEOUT_S, self._is_not_taken)

    def _taken(self) -> None:
        if self._take_deadline is not None:
            self._take_deadline.cancel()
            self._take_deadline = None

    def _is_not_taken(self) -> None:
        _log.warning("a connection is closed: its answer was not taken in time")
        self.abort()
