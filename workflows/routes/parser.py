"""What the text of a file of routes declares, or what is wrong with it, and at which line."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from workflows.bounded_file import FileError
from workflows.routes.conditions import read_condition
from workflows.routes.route import Route, Routes
from workflows.routes.schema import (
    CONDITIONS_MAX,
    REQUIRED,
    VERDICTS_BY_DEFAULT,
    WHERE,
    readers,
)
from workflows.routes.toml_lines import Lines
from workflows.targets.catalogue import KINDS
from workflows.toml_text import TextError, decoded, parsed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from workflows.routes.conditions import Condition
    from workflows.targets.target import Target

T = TypeVar("T")
ROUTES_MAX: Final = 200
PROBLEM_CHARS_MAX: Final = 500


class RoutesError(FileError):
    """The file of the routes is wrong; the message names it, the line, and what is expected."""


def read_text(path: Path, content: bytes) -> Routes:
    """Read the content of a file of routes; files that it names are beside it.

    Raises:
        RoutesError: something in it is wrong.
    """
    return Reading(path, content).routes()


class Reading:
    """One reading of a file's content: what it declares, or where it is wrong."""

    def __init__(self, path: Path, content: bytes) -> None:
        self._file = path.name
        self._readers = readers(path.parent)
        self._kinds = {key: kind for kind in KINDS for key in kind.keys(path.parent)}
        self._details = {key: kind for kind in KINDS for key in kind.details(path.parent)}
        try:
            text = decoded(content)
            self._declared = parsed(text)
        except TextError as error:
            self._wrong(error.line, str(error))
        self._lines = Lines(text)

    def routes(self) -> Routes:
        declared = dict(self._declared)
        tables = declared.pop("route", [])
        for key in declared:
            self._wrong(self._lines.of_top(key), f"unknown key {key!r}; expected is [[route]]")
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            self._wrong(self._lines.of_top("route"), "a route is declared with [[route]]")
        if len(tables) > ROUTES_MAX:
            line = self._lines.of_route(ROUTES_MAX)
            self._wrong(line, f"there are {len(tables)} routes; at most {ROUTES_MAX} may be")
        routes: dict[str, Route] = {}
        for number, table in enumerate(tables):
            route = self._route(number, table)
            if route.name in routes:
                line = self._lines.of_key(number, "name")
                self._wrong(line, f"a route named {route.name!r} stands above already")
            routes[route.name] = route
        return Routes(routes.values())

    def _route(self, number: int, table: dict[str, Any]) -> Route:
        keys = (*self._readers, WHERE)
        for key in table:
            if key not in keys:
                line = self._lines.of_key(number, key)
                self._wrong(line, f"unknown key {key!r}; expected are {', '.join(keys)}")
        read = {
            key: self._read(number, key, reader, table[key])
            for key, reader in self._readers.items()
            if key in table
        }
        for key in REQUIRED:
            if key not in read:
                self._wrong(
                    self._lines.of_route(number), f"this route has no {key}; each must have one"
                )
        transformation, own_code = read.get("transformation", ("state", None))
        return Route(
            name=read["name"],
            on=read["on"],
            target=self._target(number, read),
            transformation=transformation,
            own_code=own_code,
            arguments=read.get("arguments", {}),
            enabled=read.get("enabled", True),
            verdicts=read.get("verdicts", VERDICTS_BY_DEFAULT),
            conditions=self._conditions(number, table.get(WHERE, {})),
            where=table.get(WHERE, {}),
        )

    def _target(self, number: int, read: Mapping[str, Any]) -> Target:
        """Return the target of a route, whose keys are all of one kind of target."""
        named = [key for key in self._kinds if key in read]
        if len(named) != 1:
            found = " and ".join(named) or "none"
            line = self._lines.of_key(number, *named[1:])
            self._wrong(line, f"exactly one of {', '.join(self._kinds)} is expected, not {found}")
        (name,) = named
        for key, owner in self._details.items():
            if key in read and owner is not self._kinds[name]:
                names = ", ".join(key for key, kind in self._kinds.items() if kind is owner)
                line = self._lines.of_key(number, key)
                self._wrong(line, f"{key} goes with {names}, and not with {name}")
        kind = self._kinds[name]
        details = {key: read[key] for key in self._details if key in read}
        try:
            target: Target = kind.declared(read[name], details)
        except ValueError as error:
            self._wrong(self._lines.of_key(number, name), f"{name} {error}")
        return target

    def _conditions(self, number: int, where: object) -> tuple[Condition, ...]:
        if not isinstance(where, dict):
            self._wrong(
                self._lines.of_key(number, WHERE),
                'where must be a table, such as { "data.currency" = "USD" }',
            )
        if len(where) > CONDITIONS_MAX:
            line = self._lines.of_key(number, WHERE)
            self._wrong(line, f"there are {len(where)} conditions; at most {CONDITIONS_MAX} may be")
        return tuple(
            self._read(number, place, partial(read_condition, place), declared)
            for place, declared in where.items()
        )

    def _read(self, number: int, key: str, read: Callable[[object], T], value: object) -> T:
        try:
            return read(value)
        except ValueError as error:
            self._wrong(self._lines.of_key(number, key, WHERE), f"{key} {error}")

    def _wrong(self, line: int, problem: str) -> NoReturn:
        raise RoutesError(f"{self._file}:{line}: {problem[:PROBLEM_CHARS_MAX]}") from None
