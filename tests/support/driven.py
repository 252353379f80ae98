"""Questions made from the OpenAPI document, so that an operation is asked without being named."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tests.support.openapi_references import operations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import httpx

AS_OF: Final = "2026-03-01T00:00:00Z"
_PER_PREFIX: Final = 4
"""So many ids of a kind are asked for in a path that takes them, from both ends of the alphabet."""
_PER_NAME: Final = 3
_ALWAYS: Final = {"limit": "100", "reason": "asked for"}
"""What is given with every question that takes it."""
_NEVER: Final = {"min_position", "cursor", "after", *_ALWAYS}
"""What is about the log's positions, or is given with every question."""


class Question(NamedTuple):
    """One request. `operation` is as the document describes it."""

    method: str
    path: str
    query: dict[str, str]
    operation: dict[str, Any]

    @property
    def is_public(self) -> bool:
        """Whether no key is needed."""
        return not self.operation["security"]

    @property
    def is_of_all(self) -> bool:
        """Whether it is about the whole instance."""
        return "not bound to a business" in self.operation.get("description", "")

    @property
    def scope(self) -> str:
        """The scope that it needs."""
        ((scope,),) = self.operation["security"][0].values()
        return str(scope)

    def ask(self, client: httpx.Client, **query: str) -> httpx.Response:
        """Send it."""
        return client.request(self.method, self.path, params={**self.query, **query})


def words(node: Any, name: str = "") -> Iterator[tuple[str, str]]:  # noqa: ANN401 -- JSON
    """Yield every text of a tree with the name of its field."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from words(value, key)
    elif isinstance(node, list):
        for value in node:
            yield from words(value, name)
    elif isinstance(node, str):
        yield name, node


class Known:
    """Texts to ask with, by the names of the fields in which they stand."""

    def __init__(
        self,
        trees: Iterable[Any],
        *,
        ids: Iterable[str] = (),
        things: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Take trees, ids beside those in them, and ids of things, each with its kind."""
        self._by_name: dict[str, set[str]] = defaultdict(set)
        self._ids: dict[str, set[str]] = defaultdict(set)
        for tree in trees:
            for name, value in words(tree):
                self._by_name[name].add(value)
                if name == "id" or name.endswith("_id"):
                    self._ids[_kind(value)].add(value)
        for value in ids:
            self._ids[_kind(value)].add(value)
        for kind, value in things:
            self._ids[kind].add(value)

    @property
    def ids(self) -> list[list[str]]:
        """Some ids of every kind, kind by kind."""
        return [_ends(values, _PER_PREFIX) for values in self._ids.values()]

    def of(self, name: str) -> list[str]:
        """Some values of a field."""
        return _ends(self._by_name[name], _PER_NAME)


def _kind(value: str) -> str:
    """Return the word that an id begins with."""
    return re.split(r"[^A-Za-z]", value, maxsplit=1)[0]


def _ends(values: set[str], count: int) -> list[str]:
    ordered = sorted(values)
    return list(dict.fromkeys([*ordered[: count - count // 2], *ordered[-(count // 2) :]]))


def questions(
    document: Mapping[str, Any], known: Known, is_there: Callable[[str], bool]
) -> list[Question]:
    """Make questions to every operation but the way in; what changes something comes last.

    `is_there` tells whether anything is at a path, for whoever may see all: an operation is asked
    about whatever it knows, and about one id that it does not, or where nothing tells, about one id
    of each kind.
    """
    listed = [
        (method.upper(), path, operation)
        for method, path, operation in operations(document)
        if operation["operationId"] != "receive_webhook"
    ]
    read = {path for method, path, _ in listed if method == "GET"}
    is_told = cache(is_there)

    def is_known(path: str, value: str) -> bool:
        # All that is read of a thing, or done to it, is known where the thing is.
        thing = path[: path.index("}") + 1]
        asked = next((one for one in (thing, path) if one in read), None)
        return asked is not None and is_told(_with(asked, value))

    made = [question for one in listed for question in _of(*one, known, is_known)]
    return sorted(made, key=lambda question: question.method != "GET")


def _of(
    method: str,
    path: str,
    operation: dict[str, Any],
    known: Known,
    is_known: Callable[[str, str], bool],
) -> Iterator[Question]:
    declared = [one for one in operation["parameters"] if one["in"] == "query"]
    names = {one["name"] for one in declared}
    always = {name: value for name, value in _ALWAYS.items() if name in names}
    knows, others = [path], list[str]()
    if "{" in path:
        told = _told(path, operation)
        knows, others = (told, []) if told else _paths(path, known, is_known)
    for number, whole in enumerate([*knows, *others]):
        yield Question(method, whole, always, operation)
        # What is not known at all is no more known at another time: one such question will do.
        if "as_of" in names and number <= len(knows):
            yield Question(method, whole, {**always, "as_of": AS_OF}, operation)
        for one in declared if number == 0 else []:
            # One id is enough for all values of what can be asked of each, and one value for all
            # times: what there was is listed without a filter, too.
            values = _values(one, known)
            for value in values:
                asked = {**always, one["name"]: value}
                yield Question(method, whole, asked, operation)
                if "as_of" in names and one["name"] != "as_of" and value == values[0]:
                    yield Question(method, whole, {**asked, "as_of": AS_OF}, operation)


def _told(path: str, operation: dict[str, Any]) -> list[str]:
    """Put into a path what the document itself tells may stand there, if it does."""
    schemas = (one["schema"] for one in operation["parameters"] if one["in"] == "path")
    examples = [str(one) for schema in schemas for one in schema.get("examples", ())]
    return [_with(path, one) for one in examples]


def _with(path: str, value: str) -> str:
    return re.sub(r"{\w+}", value, path)


def _paths(
    path: str, known: Known, is_known: Callable[[str, str], bool]
) -> tuple[list[str], list[str]]:
    """Put ids into a path: all those of kinds of which it knows one, and one that it does not.

    What tells of nothing, and only changes something, is asked with one id of each kind.
    """
    knows, others = [], []
    for ids in known.ids:
        of_kind = [_with(path, value) for value in ids]
        if is_known(path, ids[0]) or is_known(path, ids[-1]):
            knows += of_kind
        else:
            others.append(of_kind[0])
    knows = list(dict.fromkeys(knows))
    others = list(dict.fromkeys(one for one in others if one not in knows))
    return knows, others[:1] if knows else others


def _values(declared: dict[str, Any], known: Known) -> list[str]:
    name, schema = declared["name"], declared["schema"]
    if name in _NEVER:
        return []
    if "enum" in schema:
        return list(schema["enum"])
    if schema.get("type") == "boolean":
        return ["true", "false"]
    return known.of(name)
