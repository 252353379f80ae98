"""Takes requests, follows the log and reconciles, all in this process."""

from __future__ import annotations

import logging
import secrets
from contextlib import ExitStack
from typing import TYPE_CHECKING

from api.counters import COLUMNS
from api.http.listening import StartError
from api.share import WORKFLOWS, Share
from cli.serving.beside import reconciles, workflows
from cli.serving.http_worker import server_of
from cli.serving.reconciler import reconciler_of
from telemetry.board import Board, Standing, shared
from telemetry.kept_process import watched

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
    names = ["server", *([WORKFLOWS] if settings.windmill.used else [])]
    with ExitStack() as stack:
        place = stack.enter_context(shared("server", names, COLUMNS))
        board = Board(place)
        board.own.stand(Standing.READY)
        share = Share(board, 1, secrets.token_urlsafe())
        server = server_of(settings, conninfo, share, ready)
        if settings.windmill.used:
            sending = workflows(settings, conninfo, place, board)
            sending.start()
            stack.callback(sending.stop)
            stack.enter_context(watched([sending]))
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
