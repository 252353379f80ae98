"""The house: which folder may know which, and that nothing goes in circles or is forgotten."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

PROJECT = Path(__file__).resolve().parents[2]
FLOORS = (
    ("telemetry",),
    ("postgres", "simulator", "dodo"),
    ("migrations",),
    ("domain",),
    ("ledger",),
    ("projections",),
    ("reconciliation",),
    ("workflows",),
    ("api",),
    ("console",),
    ("cli",),
)
"""From the ground up; what stands on one floor does not know its neighbours."""
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}

MAY_KNOW = {
    "aiohttp": {"simulator", "workflows"},
    "dodopayments": {"dodo"},
    "eventsourcing": {"ledger", "reconciliation"},
    "httpx": {"api", "dodo"},
    "jinja2": {"console"},
    "markupsafe": {"console"},
    "prometheus_client": {"api"},
    "psycopg": {*FLOOR_OF} - {"console", "domain", "simulator"},
    "psycopg_pool": {"api"},
    "pyarrow": {"api"},
    "rich": {"cli"},
    "starlette": {"api", "console"},
    "uvicorn": {"api", "cli"},
}
"""What comes from outside, with the folders that may import it."""
RUN_BY_NAME = {
    "cli.__main__",
    "cli.serving.follower",
    "cli.serving.http_worker",
    "workflows.transforms.sandbox_worker",
    "workflows.worker_process",
}
"""Modules that a process is started with, so that nothing imports them."""


class Import(NamedTuple):
    """A module that imports another, in a line of its file."""

    importer: str
    imported: str
    line: int

    def __str__(self) -> str:
        return f"{path_of(self.importer).relative_to(PROJECT)}:{self.line} imports {self.imported}"


@cache
def modules() -> dict[str, Path]:
    """Every module of the house, with its file."""
    files = [file for room in FLOOR_OF for file in (PROJECT / room).rglob("*.py")]
    return {name_of(file): file for file in sorted(files)}


def name_of(file: Path) -> str:
    """The dotted name of a module."""
    parts = file.relative_to(PROJECT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def path_of(module: str) -> Path:
    """The file of a module."""
    return modules()[module]


def imports_in(importer: str, source: str) -> Iterator[Import]:
    """Every module that a source imports, wherever in its code, as exactly as it is named."""
    for node in statements_in(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (Import(importer, alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                exact = f"{node.module}.{alias.name}"
                yield Import(importer, exact if exact in modules() else node.module, node.lineno)


def statements_in(block: ast.AST) -> Iterator[ast.AST]:
    """Every statement of a block, however deep; of expressions, in which none can be, nothing."""
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        inner = getattr(block, name, None)
        for node in inner if isinstance(inner, list) else ():
            yield node
            yield from statements_in(node)


@cache
def imports() -> tuple[Import, ...]:
    """All imports of the house."""
    return tuple(
        one for name, file in modules().items() for one in imports_in(name, file.read_text("utf-8"))
    )


def told(found: Iterable[Import]) -> str:
    """The offenders, one a line."""
    return "\n".join(map(str, found))


def test_imports_are_found_wherever_they_stand() -> None:
    source = (
        "import a.b as c\nfrom d import e\ndef h():\n    from domain import money\n    import f\n"
        "try:\n    import g\nexcept X:\n    import i\nelse:\n    import j\nfinally:\n    import k\n"
        "match l:\n    case m:\n        if n:\n            import o\n"
    )
    found = [(one.imported, one.line) for one in imports_in("x", source)]
    assert found[:4] == [("a.b", 1), ("d", 2), ("domain.money", 4), ("f", 5)]
    assert {name for name, _ in found[4:]} == {"g", "i", "j", "k", "o"}


def test_nobody_imports_upwards_or_from_a_neighbour() -> None:
    wrong = []
    for one in imports():
        room, other = one.importer.partition(".")[0], one.imported.partition(".")[0]
        if other in FLOOR_OF and other != room and FLOOR_OF[other] >= FLOOR_OF[room]:
            wrong.append(one)
    assert not wrong, told(wrong)


@pytest.mark.parametrize("package", MAY_KNOW)
def test_what_comes_from_outside_is_known_where_it_is_used(package: str) -> None:
    wrong = [
        one
        for one in imports()
        if one.imported.partition(".")[0] == package
        and one.importer.partition(".")[0] not in MAY_KNOW[package]
    ]
    assert not wrong, told(wrong)


def test_the_domain_does_no_input_or_output() -> None:
    pure = {
        "bisect",
        "collections",
        "dataclasses",
        "datetime",
        "decimal",
        "enum",
        "functools",
        "itertools",
    }
    pure |= {"__future__", "domain", "hashlib", "math", "msgspec", "operator", "re", "typing"}
    wrong = [
        one
        for one in imports()
        if one.importer.startswith("domain") and one.imported.partition(".")[0] not in pure
    ]
    assert not wrong, told(wrong)


def folders() -> list[str]:
    """Every package of the house, as the prefix of what lies in it."""
    return sorted({name.rpartition(".")[0] for name in modules() if "." in name})


@pytest.mark.parametrize("folder", folders())
def test_no_two_rooms_of_a_folder_go_in_circles(folder: str) -> None:
    edges: dict[str, dict[str, Import]] = defaultdict(dict)
    prefix = f"{folder}."
    for one in imports():
        if one.importer.startswith(prefix) and one.imported.startswith(prefix):
            room, other = (name[len(prefix) :].partition(".")[0] for name in one[:2])
            if room != other:
                edges[room].setdefault(other, one)
    left = set(edges)
    while ends := {room for room in left if not edges[room].keys() & left} | {
        room for room in left if not any(room in edges[other] for other in left)
    }:
        left -= ends
    circle = [one for room in left for other, one in edges[room].items() if other in left]
    assert not circle, told(circle)


def test_no_module_is_forgotten() -> None:
    used = {one.imported for one in imports()} | RUN_BY_NAME | {"cli"}
    forgotten = [
        name
        for name, file in modules().items()
        if name not in used and file.name != "__init__.py" and not name.startswith("cli.commands.")
    ]
    assert not forgotten


def defined_in(module: ast.Module) -> Iterator[tuple[str, int]]:
    """The names that a module defines at its top, each with its line, but for Python's own."""
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name) and not target.id.startswith("__"):
                    yield target.id, node.lineno


def read_in(module: ast.Module) -> Iterator[str]:
    """The names that a module reads or imports."""
    for node in ast.walk(module):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names)


def test_names_are_found_where_they_are_defined_and_read() -> None:
    source = "A: int = 1\nB = C = A\n__all__ = []\nclass D:\n    e = 2\ndef f():\n    g = D.e\n"
    assert [*defined_in(ast.parse(source))] == [("A", 1), ("B", 2), ("C", 2), ("D", 4), ("f", 6)]
    assert {*read_in(ast.parse("from x import y as z\na = b\nc.d = e()\n"))} == {
        "y",
        "b",
        "c",
        "d",
        "e",
    }


def test_nothing_is_defined_that_only_tests_use_or_nobody() -> None:
    read: set[str] = set()
    defined: list[tuple[Path, str, int]] = []
    for file in modules().values():
        module = ast.parse(file.read_text("utf-8"))
        read.update(read_in(module))
        defined += [(file, name, line) for name, line in defined_in(module)]
    forgotten = [
        f"{file.relative_to(PROJECT)}:{line} defines {name}, which no module uses"
        for file, name, line in defined
        if name not in read
    ]
    assert not forgotten, "\n".join(forgotten)
