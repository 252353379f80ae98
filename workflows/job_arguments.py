"""What is sent for an event, made by a built-in transformation or by the merchant's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from telemetry.redaction import kind_of
from workflows.transforms.built_in import TRANSFORMATIONS, state
from workflows.transforms.custom_code import LANGUAGES
from workflows.transforms.escaping import NotAnObjectError
from workflows.transforms.sandbox import Sandbox, SandboxError
from workflows.transforms.sandbox_protocol import ARGUMENTS_BYTES_MAX, DEADLINE_S, Call, oversize

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workflows.routes.routes_file import Route
    from workflows.transforms.built_in import Arguments, Made
    from workflows.transforms.custom_code import Language, OwnCode
    from workflows.trigger import Trigger


class TransformationError(Exception):
    """A delivery cannot be transformed; the message tells people why."""


class SandboxUnavailable(TransformationError):
    """The sandbox cannot answer now; the same delivery may well be transformed later."""


class Cancelled(Exception):
    """The merchant's own transformation says that no job is to be started."""


class Transformer:
    """Makes what is sent. Of each language that routes use, one sandbox is kept."""

    def __init__(self, deadline_s: float = DEADLINE_S) -> None:
        self._sandboxes = {language: Sandbox(language, deadline_s) for language in LANGUAGES}

    async def arguments(self, route: Route, trigger: Trigger) -> bytes:
        """Return what a route's target gets: a JSON object of `ARGUMENTS_BYTES_MAX` at the most.

        The target makes it of what the transformation gives and the route's fixed arguments.

        Raises:
            TransformationError: there are none; the message names the line where one is known.
            SandboxUnavailable: there are none now.
            Cancelled: the transformation says that nothing is to be sent.
        """
        if route.own_code is None:
            made = _built_in(TRANSFORMATIONS[route.transformation], trigger)
        else:
            made = await self._own(route, route.own_code, trigger)
        try:
            arguments = route.target.content(made, route.arguments, trigger.replay)
        except NotAnObjectError as error:
            raise TransformationError(f"there are no arguments: {error}") from error
        if len(arguments) > ARGUMENTS_BYTES_MAX:
            raise TransformationError(oversize(len(arguments)))
        return arguments

    async def close(self) -> None:
        """End the sandboxes."""
        for sandbox in self._sandboxes.values():
            await sandbox.close()

    async def _own(self, route: Route, code: OwnCode, trigger: Trigger) -> bytes:
        argument = _encoded(_INPUTS[code.language](route, trigger))
        call = Call(str(code.path), code.function, msgspec.Raw(argument))
        try:
            answer = await self._sandboxes[code.language].answer(call)
        except SandboxError as error:
            raise SandboxUnavailable(str(error)) from error
        if answer.problem:
            raise TransformationError(answer.problem)
        if answer.is_cancelled:
            raise Cancelled(f"{route.transformation} starts nothing for this event")
        return bytes(answer.arguments)


def tells_access(route: Route) -> bool:
    """Tell whether a route's transformation is given access, so that it has to be known."""
    if route.own_code is None:
        return route.transformation == state.__name__
    return _INPUTS[route.own_code.language] is _fact


def _webhook(route: Route, trigger: Trigger) -> Arguments:
    """Make what Svix, which sends Dodo's webhooks, gives to a handler; the token stays here."""
    return {
        "method": "POST",
        "url": route.shown,
        "eventType": trigger.type,
        "payload": trigger.payload,
        "headers": {},
        "cancel": False,
    }


def _fact(_: Route, trigger: Trigger) -> Arguments:
    return {"type": trigger.type, "payload": trigger.payload, **state(trigger)}


_INPUTS: Final[Mapping[Language, Callable[[Route, Trigger], Arguments]]] = {
    "python": _fact,
    "javascript": _webhook,
}


def _built_in(transform: Callable[[Trigger], Made], trigger: Trigger) -> bytes:
    try:
        arguments = transform(trigger)
    except Exception as error:
        # Of a defect of ours, the text could quote the body.
        raise TransformationError(f"a built-in transformation failed: {kind_of(error)}") from error
    return _encoded(arguments)


def _encoded(values: Made) -> bytes:
    try:
        return msgspec.json.encode(values)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise TransformationError(f"it cannot be written as JSON: {kind_of(error)}") from error
