"""Takes webhooks and answers questions, as one of several processes on one socket."""

from __future__ import annotations

import socket
import sys
from functools import partial
from typing import TYPE_CHECKING

from api.app import application
from api.http.auth import KeyGuard
from api.http.server import Server
from api.share import Share
from cli.serving.programs import HTTP_WORKER, Served, read
from console.catalogue import console
from telemetry import kept_program
from telemetry.board import Standing

if TYPE_CHECKING:
    from telemetry.board import Board


def main() -> int:
    """Do what is told on standard input, until that is closed."""
    return kept_program.run(HTTP_WORKER, read, _work)


def _work(served: Served, board: Board) -> None:
    settings = served.settings
    assert settings.api_key is not None
    app = application(
        served.conninfo,
        settings.verifier(),
        KeyGuard(settings.api_key),
        settings.rules(),
        site=console,
        share=Share(board, served.workers, served.secret),
    )
    server = Server(app, partial(board.own.stand, Standing.READY), served.workers)
    with (
        socket.socket(fileno=served.socket) as sock,
        kept_program.told_to_end(server.end, HTTP_WORKER.end_s),
    ):
        server.run(sockets=[sock])


if __name__ == "__main__":
    sys.exit(main())
