"""Operations: one declaration each, which is served, protected and documented as it says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, Literal, TypeVar

from api.answers import JSON, Answer
from api.parameters import Declared, Given, position

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Receive, Scope, Send

    from api.services import Services

MIN_POSITION: Final = position(
    "min_position",
    "Wait until the read models show the log up to here, 5 s at the most.",
)

NOTHING: Final = Declared()
Needs_contra = TypeVar("Needs_contra", contravariant=True)


@dataclass(frozen=True)
class Operation(Generic[Needs_contra]):
    """One GET, or POST that changes something: its path, what it takes, and who does it.

    Its type argument is what it is answered from. `answers` is the struct that the answer is the
    JSON of, None where it is not JSON of ours. `may_fail` maps a status to what it means here,
    beyond what goes for all operations.
    """

    path: str
    name: str
    summary: str
    handle: Callable[[Needs_contra, Given], Awaitable[Answer]]
    answers: object = None
    media_type: str = JSON.decode()
    takes: Declared = NOTHING
    may_fail: dict[int, str] | None = None
    secured: bool = True
    method: Literal["GET", "POST"] = "GET"


class Endpoint:
    """Serves an operation (ASGI)."""

    def __init__(self, operation: Operation[Services], services: Services) -> None:
        self._operation = operation
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        operation, services = self._operation, self._services
        if operation.secured:
            services.guard.check(scope)
        given = operation.takes.read(scope["path_params"], scope["query_string"])
        wanted = given[MIN_POSITION]
        if wanted is not None:
            await services.freshness.reach(wanted)
        answer = await operation.handle(services, given)
        await answer.send(send)
