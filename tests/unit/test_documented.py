"""The docs name all that a user can set, ask, type, watch or write into a file of routes."""

from __future__ import annotations

import argparse
import ast
import os
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from api.routes import OPERATIONS
from api.webhooks.endpoint import PATH as WEBHOOKS
from cli.parser import parser
from cli.settings import Settings
from console.catalogue import PAGES as OF_CONSOLE
from domain.anomalies.catalogue import CODES
from projections.read_models.catalogue import LISTINGS
from tests.support.samples import PROJECT
from workflows.routes.schema import WHERE, readers

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGES: Final = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
LINES: Final = [line for page in PAGES for line in page.read_text("utf-8").splitlines()]
KINDS: Final = [listing.kind for listing in LISTINGS.values()]
THEIRS: Final = {"XDG_DATA_HOME", "LOCALAPPDATA"}
"""What the platform sets, and nobody for our sake."""


class Command(NamedTuple):
    """A command as the docs name it, with the options that it takes."""

    name: str
    options: frozenset[str]


def commands(typed: argparse.ArgumentParser, words: tuple[str, ...] = ()) -> Iterator[Command]:
    """Every command there is; where a kind is named, KIND stands for all of them."""
    options: set[str] = set()
    for action in typed._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, below in action.choices.items():
                kind, *more = word.split("/")
                is_kind = kind in {*KINDS, *(f"{name}s" for name in KINDS)}
                name = "/".join(("KIND" if is_kind else kind, *more))
                yield from commands(below, (*words, name))
            if options:  # it does something without any of them, too
                yield Command(" ".join(words), frozenset(options))
            return
        if action.dest != "help" and action.help is not argparse.SUPPRESS:
            options |= {option for option in action.option_strings if option.startswith("--")}
    yield Command(" ".join(words), frozenset(options))


@cache
def all_commands() -> dict[str, frozenset[str]]:
    """The commands by name, each with the options that any of its kinds takes."""
    found: dict[str, frozenset[str]] = {}
    for command in commands(parser()):
        found[command.name] = found.get(command.name, frozenset()) | command.options
    return found


@cache
def rows() -> dict[str, str]:
    """The rows of tables that are about a command, by its name."""
    starts = ((re.match(r"\| `raphus ([^`]+)`", line), line) for line in LINES)
    return {match[1]: line for match, line in starts if match}


def operations() -> list[str]:
    """Every route as the docs name it: {kinds} stands for the kinds, {id} for an id."""
    kinds = "|".join(f"{name}s" for name in KINDS)
    found = [f"POST {WEBHOOKS}"]
    for operation in OPERATIONS:
        path = re.sub(rf"^/v1/({kinds})(?=/|$)", "/v1/{kinds}", operation.path)
        found.append(f"{operation.method} {path.replace(':path', '')}")
    return list(dict.fromkeys(found))


@cache
def metrics() -> list[str]:
    """Every metric that the sources of the API declare."""
    calls = (
        node
        for text in (file.read_text("utf-8") for file in sorted((PROJECT / "api").rglob("*.py")))
        if "prometheus_client" in text
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    )
    return [
        f"{name.value}_total" if call.func.id == "Counter" else name.value
        for call in calls
        if isinstance(call.func, ast.Name)
        and call.func.id in {"Counter", "Gauge", "Histogram", "Summary", "Info", "Enum"}
        and isinstance(name := call.args[0], ast.Constant)
        and isinstance(name.value, str)
    ]


class Asked(dict[str, str]):
    """An environment in which nothing is set, and that remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        self.names.add(name)
        return default


def settings() -> list[str]:
    """Every variable of the environment that settings are read from."""
    environ = Asked()
    Settings.read(environ)
    return sorted(environ.names - THEIRS - {"HOME"})


def is_named(text: str) -> bool:
    """Tell whether a text stands somewhere by itself, and not only within a longer one."""
    alone = re.compile(rf"(?<![\w/-]){re.escape(text)}(?![\w/-])")
    return any(alone.search(line) for line in LINES)


@pytest.mark.parametrize("name", settings())
def test_a_setting_is_documented(name: str) -> None:
    file = name.removesuffix("_FILE")
    assert any(f"`{file}`" in line for line in LINES), (
        f"{name} is read from the environment: docs/operations.md needs a row under Settings"
    )


def test_the_settings_are_found() -> None:
    assert {"DODO_PAYMENTS_WEBHOOK_KEY", "PORT", "WINDMILL_TOKEN_FILE"} < set(settings())


@pytest.mark.parametrize("operation", operations())
def test_a_route_is_documented(operation: str) -> None:
    assert any(f"`{operation}`" in line for line in LINES), (
        f"{operation} is answered: docs/operations.md needs a row under HTTP"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_kinds_of_a_route_are_named(kind: str) -> None:
    (line,) = [line for line in LINES if line.startswith("`{kinds}` is one of ")]
    assert f"`{kind}s`" in line, f"{kind}s are answered: docs/operations.md must name them at HTTP"


@pytest.mark.parametrize("name", all_commands())
def test_a_command_is_documented_with_its_options(name: str) -> None:
    row = rows().get(name)
    assert row is not None, (
        f"raphus {name} can be typed: docs/operations.md needs a row `raphus {name}` under"
        " Commands, or docs/windmill.md where it is about Windmill"
    )
    missing = {
        option for option in all_commands()[name] if not re.search(rf"`{option}(?=[ `])", row)
    }
    assert not missing, f"raphus {name} takes {sorted(missing)}: its row must have them"


@pytest.mark.parametrize("name", rows())
def test_no_row_is_about_a_command_or_an_option_that_is_gone(name: str) -> None:
    assert name in all_commands(), f"there is no raphus {name} any more: its row must go"
    gone = set(re.findall(r"`(--[a-z-]+)", rows()[name])) - all_commands()[name]
    assert not gone, f"raphus {name} does not take {sorted(gone)}: its row must not say so"


def test_what_every_command_takes_is_documented() -> None:
    assert is_named("--debug"), "docs/operations.md must say under Commands what --debug is for"


@pytest.mark.parametrize("name", metrics())
def test_a_metric_is_documented(name: str) -> None:
    assert is_named(name), f"{name} is counted: docs/operations.md must name it at GET /metrics"


def test_every_code_of_an_anomaly_has_a_row_and_no_other_has_one() -> None:
    page = (PROJECT / "docs" / "anomalies.md").read_text("utf-8")
    assert re.findall(r"(?m)^\| `([a-z_]+)` \|", page) == list(CODES)


def test_the_metrics_are_found() -> None:
    assert {"raphus_deliveries_total", "raphus_log_position"} < set(metrics())


@pytest.mark.parametrize("key", [*readers(Path(os.curdir)), WHERE])
def test_a_key_of_a_route_is_documented(key: str) -> None:
    assert any(line.startswith("| ") and f"`{key}`" in line.split(" | ")[0] for line in LINES), (
        f"{key} may stand in windmill.toml: docs/windmill.md needs a row under The file of routes"
    )


LINKING: Final = sorted(
    page.relative_to(PROJECT).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "windmill/*.md")
    for page in PROJECT.glob(pattern)
)


@pytest.mark.parametrize("page", LINKING)
def test_links_within_the_project_lead_to_what_is_there(page: str) -> None:
    text = without_code((PROJECT / page).read_text("utf-8"))
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    wrong = [target for target in targets if "://" not in target and not leads(page, target)]
    assert not wrong, f"{page} links to what is not there: {', '.join(wrong)}"


def leads(page: str, target: str) -> bool:
    """Tell whether a link of a page leads to a file, and to a heading of it where it names one."""
    path, _, heading = target.partition("#")
    file = PROJECT / page if not path else (PROJECT / page).parent / path
    if not heading or not file.is_file():
        return file.exists() and not heading
    titles = re.findall(r"^#+ (.+)$", without_code(file.read_text("utf-8")), re.MULTILINE)
    return heading in {anchor(title) for title in titles}


def anchor(title: str) -> str:
    """Return the name of a heading in links, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def without_code(text: str) -> str:
    """Leave blocks of code out of a page: a comment of a shell is no heading."""
    return re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)


def test_every_page_of_the_console_is_documented() -> None:
    page = (PROJECT / "docs" / "console.md").read_text("utf-8")
    missing = [
        one.path for one in OF_CONSOLE if "{" not in one.path and f"`{one.path}`" not in page
    ]
    assert missing == []
