"""Takes requests, follows the log and reconciles, all in this process."""

from __future__ import annotations

import logging
import secrets
from contextlib import ExitStack
from typing import TYPE_CHECKING

from api.app import application
from api.counters import COLUMNS
from api.http.auth import KeyGuard
from api.http.listening import StartError
from api.http.server import Server
from api.share import WORKFLOWS, Share
from cli.serving.beside import reconciles, workflows
from cli.serving.reconciler import reconciler_of
from console.catalogue import console
from telemetry.board import Board, Standing, shared

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from cli.settings import Settings

_log = logging.getLogger(__name__)


def serve_alone(
    settings: Settings, conninfo: str, sock: socket.socket, ready: Callable[[], None]
) -> None:
    """Serve until SIGINT or SIGTERM; only what starts jobs in Windmill is a process of its own.

    Raises:
        StartError: the server does not start.
        UnreachableError: the database went away.
    """
    assert settings.api_key is not None
    names = ["server", *([WORKFLOWS] if settings.windmill.used else [])]
    with ExitStack() as stack:
        place = stack.enter_context(shared("server", names, COLUMNS))
        board = Board(place)
        board.own.stand(Standing.READY)
        server = Server(
            application(
                conninfo,
                settings.verifier(),
                KeyGuard(settings.api_key),
                settings.rules(),
                site=console,
                share=Share(board, 1, secrets.token_urlsafe()),
            ),
            ready,
        )
        if settings.windmill.used:
            sending = workflows(settings, conninfo, place, board)
            sending.start()
            stack.callback(sending.stop)
        if reconciles(settings):
            reconciler = reconciler_of(settings, conninfo)
            reconciler.start()
            stack.callback(reconciler.stop)
        try:
            server.run(sockets=[sock])
        except SystemExit as error:  # uvicorn's, where the application does not start
            raise StartError(StartError.__doc__) from error
        except KeyboardInterrupt:  # uvicorn's, after it has ended in order
            _log.info("stopped")
