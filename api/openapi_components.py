"""What operations have in common is told once: parameters and responses."""

from __future__ import annotations

from collections import defaultdict
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Json: TypeAlias = "dict[str, Any]"  # a JSON document has no narrower type
_encode: Final = msgspec.json.Encoder(order="deterministic").encode


class _Use(NamedTuple):
    """A place at which something stands that may stand elsewhere, too.

    `place[key]` is it; `name` is what it is called, and `resource` what the operation is about.
    """

    place: Any
    key: Any
    name: str
    resource: str

    @property
    def identity(self) -> bytes:
        """The same for all uses of the same thing."""
        return _encode(self.place[self.key])


def share(document: Json) -> None:
    """Move what several operations have in common into the document's components."""
    components = document["components"]
    components["parameters"] = _moved(_parameters(document), "parameters")
    components["responses"] = _moved(_responses(document), "responses")


def _parameters(document: Json) -> Iterator[_Use]:
    for path, operation in _operations(document):
        for number, parameter in enumerate(operation["parameters"]):
            yield _Use(operation["parameters"], number, parameter["name"], _resource(path))


def _responses(document: Json) -> Iterator[_Use]:
    for path, operation in _operations(document):
        for status in sorted(operation["responses"].keys() - {"200"}):
            name = HTTPStatus(int(status)).phrase.title().replace(" ", "")
            yield _Use(operation["responses"], status, name, _resource(path))


def _operations(document: Json) -> Iterator[tuple[str, Json]]:
    for path, operations in document["paths"].items():
        for operation in operations.values():
            yield path, operation


def _resource(path: str) -> str:
    return path.removeprefix("/v1/").strip("/").partition("/")[0]


def _moved(uses: Iterable[_Use], section: str) -> Json:
    """Replace what is used more than once by references, and return it by its names."""
    by_identity: dict[bytes, list[_Use]] = defaultdict(list)
    for use in uses:
        by_identity[use.identity].append(use)
    shared = [same for same in by_identity.values() if len(same) > 1]
    names = _names([same[0] for same in sorted(shared, key=len, reverse=True)])
    moved: Json = {}
    for same in shared:
        name = names[same[0].identity]
        moved[name] = same[0].place[same[0].key]
        for use in same:
            use.place[use.key] = {"$ref": f"#/components/{section}/{name}"}
    return moved


def _names(firsts: Iterable[_Use]) -> dict[bytes, str]:
    """Name each: what is used most has its plain name, the others that of a resource with it."""
    names: dict[bytes, str] = {}
    taken: set[str] = set()
    for first in firsts:
        plain = first.name not in taken and first.name != "id"
        name = first.name if plain else f"{first.resource}.{first.name}"
        assert name not in names.values(), name
        taken.add(first.name)
        names[first.identity] = name
    return names
