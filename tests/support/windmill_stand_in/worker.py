"""What a worker makes of a job's arguments before it runs the job.

Told again after windmill-labs/windmill, backend/windmill-worker/src/common.rs (`transform_json`,
`transform_json_value`, `resolve_interpolate_parts`) and windmill-common/src/jobs.rs
(`ENTRYPOINT_OVERRIDE`); references inside of strings after its pull request 7255.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import msgspec

ENTRYPOINT_OVERRIDE: Final = "_ENTRYPOINT_OVERRIDE"
_INTERNAL: Final = ("_MODULES", "_TEMP_SCRIPT_REFS", ENTRYPOINT_OVERRIDE)
_REFERENCE: Final = re.compile(r'\$(?:var|jsonvar|res|encrypted):|"\$interpolate"')
_INSIDE: Final = re.compile(r"\$(var|res|encrypted):([\w./-]+)")
_DEPTH_MAX: Final = 50
_LIST_DEPTH_MAX: Final = 2
_LIST_ITEMS_MAX: Final = 1000


class ArgumentsError(Exception):
    """The job fails before its code is called."""


class Worker(msgspec.Struct, frozen=True):
    """A worker, the workspace's variables and resources, and its environment.

    With `inside` it replaces references inside of strings too.
    """

    variables: dict[str, str] = {}
    resources: dict[str, Any] = {}
    environment: dict[str, str] = msgspec.field(
        default_factory=lambda: {"WM_TOKEN": "the job's own token"}
    )
    inside: bool = False

    def called(self, arguments: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Return the function that is called, and the arguments that it is given.

        Raises:
            ArgumentsError: something is not there, or it goes too deep.
        """
        given = {
            name: self._replaced(value, 0) if self._is_replaced(value) else value
            for name, value in arguments.items()
        }
        entrypoint = str(arguments.get(ENTRYPOINT_OVERRIDE, "main"))
        return entrypoint, {name: given[name] for name in given if name not in _INTERNAL}

    def _is_replaced(self, value: object) -> bool:
        return _REFERENCE.search(json.dumps(value, ensure_ascii=False)) is not None

    def _replaced(self, value: Any, depth: int) -> Any:  # noqa: ANN401 -- JSON
        if depth >= _DEPTH_MAX:
            raise ArgumentsError("Maximum resource/variable interpolation depth exceeded")
        match value:
            case str():
                return self._text(value)
            case list() if depth <= _LIST_DEPTH_MAX and len(value) <= _LIST_ITEMS_MAX:
                return [self._replaced(one, depth + 1) for one in value]
            case {"$interpolate": [*parts], **others} if not others and _are_parts(parts):
                return "".join(
                    part if isinstance(part, str) else self._variable(part["$var"])
                    for part in parts
                )
            case dict():
                return {name: self._replaced(one, depth + 1) for name, one in value.items()}
            case _:
                return value

    def _text(self, text: str) -> object:
        kind, colon, path = text.partition(":")
        match kind:
            case "$var" if colon:
                return self._variable(path)
            case "$jsonvar" if colon:
                return json.loads(self._variable(path))
            case "$res" if colon:
                return self._resource(path)
            case "$encrypted" if colon:
                raise ArgumentsError("Could not decrypt value")
        if self.inside and _INSIDE.search(text):
            return _INSIDE.sub(lambda one: self._inside(one[1], one[2]), text)
        return self.environment.get(text[1:], text) if text.startswith("$") else text

    def _inside(self, kind: str, path: str) -> str:
        if kind == "encrypted":
            raise ArgumentsError("Could not decrypt value")
        return self._variable(path) if kind == "var" else json.dumps(self._resource(path))

    def _variable(self, path: str) -> str:
        if path not in self.variables:
            raise ArgumentsError(f"Variable {path} not found")
        return self.variables[path]

    def _resource(self, path: str) -> object:
        if path not in self.resources:
            raise ArgumentsError(f"Resource {path} not found")
        return self.resources[path]


def _are_parts(parts: list[Any]) -> bool:
    return all(
        isinstance(part, str)
        or (isinstance(part, dict) and part.keys() == {"$var"} and isinstance(part["$var"], str))
        for part in parts
    )
