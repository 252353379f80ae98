"""Takes webhooks and answers questions, as one of several processes on one socket."""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import TYPE_CHECKING

from api.app import application
from api.http.auth import KeyGuard
from api.http.server import Server
from api.share import Share
from cli.serving.programs import HTTP_WORKER, Served, read
from console.catalogue import console
from telemetry import kept_program
from telemetry.board import Standing
from telemetry.heartbeat import Heart

if TYPE_CHECKING:
    from collections.abc import Callable

    from cli.settings import Settings
    from telemetry.board import Board


def server_of(settings: Settings, conninfo: str, share: Share, ready: Callable[[], None]) -> Server:
    """Return what takes requests, to be run; the settings have the API key."""
    assert settings.api_key is not None
    guard = KeyGuard(settings.api_key)
    app = application(
        conninfo, settings.verifier(), guard, settings.rules(), site=console, share=share
    )
    return Server(app, ready, share.workers)


def main() -> int:
    """Do what is told on standard input, until that is closed."""
    return kept_program.run(HTTP_WORKER, read, _work)


def _work(served: Served, board: Board) -> None:
    share = Share(board, served.workers, served.secret)

    def ready() -> None:
        Heart(board.own).beat_with(asyncio.get_running_loop())
        board.own.stand(Standing.READY)

    server = server_of(served.settings, served.conninfo, share, ready)
    with (
        socket.socket(fileno=served.socket) as sock,
        kept_program.told_to_end(server.end, HTTP_WORKER.end_s),
    ):
        server.run(sockets=[sock])


if __name__ == "__main__":
    sys.exit(main())
