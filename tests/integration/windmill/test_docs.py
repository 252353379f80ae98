"""The pages about Windmill: they tell of everything that there is, and what they show is so."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Final

import msgspec
import pytest

from api.metrics import Metrics
from cli.parser import parser
from cli.sample_events import sample
from tests.support.samples import PROJECT
from workflows import trial_run as trying
from workflows.outbox.queries import STATES
from workflows.routes.conditions import _TESTS
from workflows.routes.parser import read_text
from workflows.routes.schema import VERDICTS, WHERE, readers
from workflows.transforms.built_in import TRANSFORMATIONS

GUIDE: Final = (PROJECT / "docs" / "windmill.md").read_text("utf-8")
TROUBLE: Final = (PROJECT / "docs" / "windmill-troubleshooting.md").read_text("utf-8")
SCRIPTS: Final = (PROJECT / "windmill" / "README.md").read_text("utf-8")
OPERATIONS: Final = (PROJECT / "docs" / "operations.md").read_text("utf-8")
PAGES: Final = {"guide": GUIDE, "trouble": TROUBLE, "scripts": SCRIPTS}
USES: Final = sorted((PROJECT / "docs" / "windmill").glob("*.md"))
WRITTEN: Final = {
    PROJECT / "docs" / "windmill.md",
    PROJECT / "docs" / "windmill-troubleshooting.md",
    PROJECT / "windmill" / "README.md",
    *USES,
}


def blocks(page: str, language: str) -> list[str]:
    """The pieces of code of a page."""
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    "named",
    [
        *readers(Path()),
        WHERE,
        *_TESTS,
        *TRANSFORMATIONS,
        *VERDICTS,
        *STATES,
        *("WINDMILL_BASE_URL", "WINDMILL_WORKSPACE", "WINDMILL_TOKEN", "WINDMILL_ROUTES"),
    ],
)
def test_everything_that_can_be_said_is_in_the_guide(named: str) -> None:
    assert re.search(rf"\b{named}\b", GUIDE)


def test_every_setting_and_metric_is_among_those_of_operations() -> None:
    settings = re.findall(r"WINDMILL_[A-Z_]+", parser().format_help())
    metrics = [name for name in Metrics().exposition().decode().split() if "windmill" in name]
    for name in {*settings, *metrics}:
        assert f"`{name}" in OPERATIONS


def test_what_the_guide_declares_is_read() -> None:
    (route,) = read_text(Path("windmill.toml"), blocks(GUIDE, "toml")[0].encode())
    conditions = f"{blocks(GUIDE, 'toml')[0]}\n{blocks(GUIDE, 'toml')[1]}"
    (narrowed,) = read_text(Path("windmill.toml"), conditions.encode())
    assert route.name == "disputes-to-chat"
    assert len(narrowed.conditions) == 5


def test_the_routes_of_the_pages_can_be_put_into_one_file() -> None:
    told = [block for page in USES for block in blocks(page.read_text("utf-8"), "toml")]
    routes = read_text(Path("windmill.toml"), "\n".join(told).encode())
    assert len(routes) == len(told) > 10


def test_the_arguments_that_are_shown_are_those_of_the_sample() -> None:
    (route,) = read_text(Path("windmill.toml"), blocks(GUIDE, "toml")[0].encode())
    given = asyncio.run(trying.arguments(route, sample("dispute.opened")))
    shown = re.search(r"--dry-run\n(\{.*?^\})", GUIDE, re.MULTILINE | re.DOTALL)
    assert shown is not None
    assert msgspec.json.format(given).decode() == shown[1]


@pytest.mark.parametrize(
    ("language", "transformation", "given"),
    [
        (
            "js",
            "javascript:own.js",
            {"payment_id": "pay_044e0c942254fb25884c762a", "amount_minor": 24490},
        ),
        (
            "python",
            "python:own.py:sale",
            {"payment_id": "pay_044e0c942254fb25884c762a", "was_late": False},
        ),
    ],
)
def test_the_code_that_is_shown_does_what_is_said(
    tmp_path: Path, language: str, transformation: str, given: dict[str, object]
) -> None:
    (code,) = blocks(GUIDE, language)
    (tmp_path / transformation.split(":")[1]).write_text(code, "utf-8")
    routes = blocks(GUIDE, "toml")[0].replace('"dispute"', f'"{transformation}"')
    (route,) = read_text(tmp_path / "windmill.toml", routes.encode())
    made = asyncio.run(trying.arguments(route, sample("payment.succeeded")))
    assert json.loads(made) == given


def test_every_command_that_is_shown_can_be_typed() -> None:
    code = "".join(
        block
        for page in (*PAGES.values(), *(path.read_text("utf-8") for path in USES))
        for language in ("sh", "console")
        for block in blocks(page, language)
    )
    lines = re.findall(r"^(?:\$ )?raphus routes (.*?)(?: +#.*)?$", code, re.MULTILINE)
    parse = parser().parse_args
    for line in lines:
        words = line.replace("'", "").replace("…", "2026-11-01T00:00:00Z").split()
        assert parse(["routes", *words]).run.__module__.startswith("cli.commands.routes.")
    assert len(lines) > 15


@pytest.mark.parametrize("page", sorted(WRITTEN), ids=lambda path: path.stem)
def test_every_link_within_the_repository_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", page.read_text("utf-8"))
    assert links
    for path, place in links:
        target = page.parent / path if path else page
        text = target.read_text("utf-8")
        heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        anchors = {re.sub(r"[^a-z0-9 -]", "", head.lower()).replace(" ", "-") for head in heads}
        assert not place or place in anchors, f"{path}#{place}"
