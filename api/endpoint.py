"""Serves an operation as it declares itself: to whom it may, and of the answer what he may see."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from api.http.errors import ApiError
from api.http.questions import Fresh
from api.http.responses import response
from api.http.scopes import EVERYBODY
from api.withholding import HEADER, shown_to, tells_of_instance

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from api.http.operations import Operation
    from api.http.questions import Query
    from api.http.scopes import Caller
    from api.services import Services
    from api.withholding import Shown

AnyAnswer = TypeVar("AnyAnswer")


async def answered(
    operation: Operation[Services, Any, AnyAnswer], services: Services, caller: Caller, query: Query
) -> Shown[AnyAnswer]:
    """Answer a query of an operation to a caller: once it is fresh enough, of his business alone.

    Raises:
        ApiError: 403, the caller may not ask that; or what the operation fails with.
    """
    services = await admitted(operation, services, caller, query)
    if operation.method != "GET":
        services = replace(services, asked_by=caller.name)
    return shown_to(caller, await operation.handle(services, query))


async def admitted(
    operation: Operation[Any, Any, Any], services: Services, caller: Caller, query: Query
) -> Services:
    """Return what a caller's query is answered from, once that is fresh: his business alone.

    Raises:
        ApiError: 403, the caller may not ask that; 503, it is not fresh enough in time.
    """
    if operation.secured:
        caller.check(operation.scope, of_all=operation.of_all)
    if isinstance(query, Fresh) and query.min_position is not None:
        await services.freshness.reach(query.min_position)
    if caller.business_id is None:
        return services
    return replace(services, business_id=caller.business_id)


class Endpoint:
    """Serves an operation (ASGI)."""

    def __init__(self, operation: Operation[Services, Any, object], services: Services) -> None:
        self._operation = operation
        self._services = services
        # A public operation asks for no key, unless there is more to tell with one.
        self._asks_who = operation.secured or tells_of_instance(operation.answers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        operation = self._operation
        caller = await self._caller(scope)
        query = operation.reader.read(scope["path_params"], scope["query_string"])
        shown, withheld = await answered(operation, self._services, caller, query)
        headers = {HEADER: ", ".join(withheld).encode()} if withheld else None
        await response(shown, headers=headers).send(send)

    async def _caller(self, scope: Scope) -> Caller:
        services, operation = self._services, self._operation
        if not self._asks_who:
            return EVERYBODY
        try:
            caller = await services.guard.check(scope, services.keys)
            if operation.secured:
                caller.check(operation.scope, of_all=operation.of_all)
        except ApiError as error:
            if not operation.secured:
                return EVERYBODY
            services.metrics.count_refused(error.body.error.code)
            raise
        return caller
