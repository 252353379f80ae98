"""Starlette, and one endpoint whose requests go past all that Starlette does with the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class Front(Starlette):
    """Takes each POST to one path to an endpoint that answers whatever befalls it.

    Middleware and routes would take as long as half of verifying a webhook.
    """

    def __init__(self, path: str, endpoint: ASGIApp, **others: Any) -> None:  # noqa: ANN401 -- Starlette's
        super().__init__(**others)
        self._path = path
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or begin and end with the server."""
        is_ours = scope["type"] == "http" and scope["path"] == self._path
        if is_ours and scope["method"] == "POST":
            await self._endpoint(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)
