"""Uvicorn on a socket, with our limits, in the foreground or in a thread."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import contextmanager
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, Final

import uvicorn

from api.http.admission import Admission
from api.http.capacity import CONNECTIONS_MAX, Capacity, part, raise_files_max
from api.http.listening import StartError
from api.http.uvicorn_protocol import BoundedProtocol
from telemetry import interpreter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from starlette.types import ASGIApp, Scope

_log = logging.getLogger(__name__)

_ENDING: Final = "ending"
STOP_TIMEOUT_S: Final = 20
"""How long requests under way may take to end; a commit is given up after 5 s."""
KEEP_ALIVE_S: Final = 65


class Server(uvicorn.Server):
    """uvicorn, with our limits, that says when it is ready; of `workers` that share them one."""

    def __init__(self, app: ASGIApp, ready: Callable[[], None], workers: int = 1) -> None:
        files_max = raise_files_max()
        capacity, wanted = Capacity.of(files_max, workers), part(CONNECTIONS_MAX, workers)
        if capacity.connections_max < wanted:
            _log.warning(
                "%d files may be open, and so %d connections at the most, not %d: see ulimit -n,"
                " or LimitNOFILE= of systemd",
                files_max,
                capacity.connections_max,
                wanted,
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

    def end(self) -> None:
        """End in order, soon; any thread may call it."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        interpreter.tune()  # not before: what the application has loaded is not looked at, either
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
        server.end()
        thread.join()
