"""Serves an operation as it declares itself, and encodes what it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from api.http.questions import Fresh
from api.http.responses import response

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from api.http.operations import Operation
    from api.services import Services


class Endpoint:
    """Serves an operation (ASGI)."""

    def __init__(self, operation: Operation[Services, Any, object], services: Services) -> None:
        self._operation = operation
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        operation, services = self._operation, self._services
        if operation.secured:
            services.guard.check(scope)
        query = operation.reader.read(scope["path_params"], scope["query_string"])
        if isinstance(query, Fresh) and query.min_position is not None:
            await services.freshness.reach(query.min_position)
        result = await operation.handle(services, query)
        await response(result).send(send)
