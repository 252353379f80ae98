"""What a merchant would write who only verifies webhooks: nothing in it is ours."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import uvicorn
from standardwebhooks import Webhook
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from tests.benchmarks.bodies import SECRET

if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

    from starlette.requests import Request

_webhook = Webhook(SECRET)


async def _verify(request: Request) -> Response:
    _webhook.verify(await request.body(), dict(request.headers))
    return Response()


def serve_plainly(sock: socket, ready: Callable[[], None]) -> None:
    """Serve on a socket with uvicorn as it comes; what it logs of each request goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    app = Starlette(routes=[Route("/webhooks/dodo", _verify, methods=["POST"])])
    _Telling(uvicorn.Config(app), ready).run([sock])


class _Telling(uvicorn.Server):
    """Says when it is ready."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()
