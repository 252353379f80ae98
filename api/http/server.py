"""Uvicorn on a socket, with our limits, in the foreground or in a thread."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import sys
from contextlib import contextmanager
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, Final

import uvicorn

from api.http.admission import Admission
from api.http.capacity import CONNECTIONS_MAX, Capacity, raise_files_max
from api.http.uvicorn_protocol import BoundedProtocol
from telemetry.errors import RaphusError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from starlette.types import ASGIApp, Scope

_log = logging.getLogger(__name__)

_ENDING: Final = "ending"
STOP_TIMEOUT_S: Final = 20
"""How long requests under way may take to end; a commit is given up after 5 s."""
KEEP_ALIVE_S: Final = 65
SWITCH_INTERVAL_S: Final = 0.0005
"""How soon a thread that waits for the interpreter gets it. Hashing a body over 2 KiB gives it up,
so the event loop waits for the writer or the follower once a webhook: by default 5 ms each."""
COLLECT_AFTER: Final = (20_000, 20, 20)
"""How many new objects make the collector look for cycles. A page of the follower makes tens of
thousands, and no cycles: by default it would be searched some hundred times."""


class AddressError(RaphusError):
    """The server cannot listen where it is told to."""


class StartError(RaphusError):
    """The server does not start; the log tells why."""


class Server(uvicorn.Server):
    """uvicorn, with our limits, that says when it is ready."""

    def __init__(self, app: ASGIApp, ready: Callable[[], None]) -> None:
        files_max = raise_files_max()
        capacity = Capacity.of(files_max)
        if capacity.connections_max < CONNECTIONS_MAX:
            _log.warning(
                "%d files may be open, and so %d connections at the most, not %d: see ulimit -n,"
                " or LimitNOFILE= of systemd",
                files_max,
                capacity.connections_max,
                CONNECTIONS_MAX,
            )
        super().__init__(
            uvicorn.Config(
                app,
                access_log=False,
                backlog=capacity.backlog,
                http=partial(BoundedProtocol, Admission(capacity.connections_max)),  # type: ignore[arg-type]  # a class, it says
                lifespan="on",
                log_config=None,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=STOP_TIMEOUT_S,
                timeout_keep_alive=KEEP_ALIVE_S,
                ws="none",
            )
        )
        self._ready = ready

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End in order, however often it is told to: what is queued is committed first."""
        super().handle_exit(sig, frame)
        self.force_exit = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        gc.set_threshold(*COLLECT_AFTER)
        await super().startup(sockets)
        gc.freeze()
        if self.started:
            self.lifespan.state[_ENDING] = asyncio.Event()
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End in order, what has no end of its own first."""
        self.lifespan.state[_ENDING].set()
        await super().shutdown(sockets)


async def ends(scope: Scope) -> None:
    """Return once the server that has taken a request is told to end, if it ever is."""
    ending: asyncio.Event = scope.get("state", {}).get(_ENDING) or asyncio.Event()
    await ending.wait()


@contextmanager
def in_background(app: ASGIApp, sock: socket.socket) -> Iterator[None]:
    """Serve in a thread until the block ends.

    Raises:
        StartError: the application does not start.
    """
    server = Server(app, lambda: None)
    thread = Thread(target=server.run, args=([sock],), name="server")
    thread.start()
    try:
        while not server.started and thread.is_alive():
            thread.join(0.01)
        if not server.started:
            raise StartError(StartError.__doc__)
        yield
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Yield a socket that is bound, and refuses connections until a server listens on it.

    Raises:
        AddressError: the address does not exist here, or is taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, protocol)
    except OSError as error:
        raise AddressError(f"cannot listen on {host}: {error.strerror}") from error
    with sock:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
        except OSError as error:
            raise AddressError(f"cannot listen on {host}:{port}: {error.strerror}") from error
        yield sock


def url_of(sock: socket.socket) -> str:
    """Return the address that a socket is bound to, as a URL."""
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
