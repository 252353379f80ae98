"""The table of docs/performance.md: a line for each thing that was measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.benchmarks.measure import Result

HEAD: Final = (
    "| what | ratio | target | met | measured | when, on what |",
    "|---|---|---|---|---|---|",
)
_PAGE: Final = Path(__file__).parents[2] / "docs" / "performance.md"
_BEGIN: Final = "<!-- measured -->\n"
_END: Final = "<!-- /measured -->\n"


def line(result: Result, on: str) -> str:
    """Write what was measured as a line, with what is to be said of when, on what, and how."""
    target, met = "–", "–"
    if result.target is not None:
        target = f"{'≤' if result.at_most else '≥'} {result.target:g}"
        met = "yes" if result.met else "no"
    return f"| {result.what} | {result.ratio:.2f} | {target} | {met} | {result.detail} | {on} |"


def write(lines: list[str]) -> None:
    """Put lines into the page."""
    before, _, rest = _PAGE.read_text("utf-8").partition(_BEGIN)
    table, _, after = rest.partition(_END)
    _PAGE.write_text(before + _BEGIN + merged(table, lines) + _END + after, "utf-8")


def merged(table: str, lines: list[str]) -> str:
    """Put lines into a table of Markdown, each in the place of the one about the same."""
    old = {_what(line): line for line in table.splitlines()[len(HEAD) :]}
    new = {_what(line): line for line in lines}
    return "".join(f"{line}\n" for line in (*HEAD, *(old | new).values()))


def _what(line: str) -> str:
    return line.split(" | ", maxsplit=1)[0]
