"""Parts of an OpenAPI document, with what stands among its components in their place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Json: TypeAlias = "dict[str, Any]"  # a JSON document has no narrower type


def followed(document: Mapping[str, Any], described: Json) -> Json:
    """Follow a reference, where it is one."""
    if "$ref" not in described:
        return described
    _, components, section, name = described["$ref"].split("/")
    found: Json = document[components][section][name]
    return found


def operations(document: Mapping[str, Any]) -> list[tuple[str, str, Json]]:
    """Return each operation with its method and path; its parameters are those themselves."""
    return [
        (method, path, {**operation, "parameters": parameters_of(document, operation)})
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def parameters_of(document: Mapping[str, Any], operation: Json) -> list[Json]:
    """Return an operation's parameters themselves."""
    return [followed(document, parameter) for parameter in operation["parameters"]]
