"""Progress: a bar on a terminal, and lines elsewhere."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from cli.rendering import progress
from cli.rendering.progress import shown


def told(*calls: tuple[str, int, int], terminal: bool) -> str:
    written = io.StringIO()
    console = Console(file=written, force_terminal=terminal, width=110, color_system=None)
    with shown(console) as progress:
        for call in calls:
            progress(*call)
    return written.getvalue()


def test_a_log_has_a_line_at_the_end_of_each_phase() -> None:
    calls = ("fold", 0, 20), ("fold", 10, 20), ("fold", 20, 20), ("index", 0, 1), ("index", 1, 1)
    written = told(*calls, terminal=False)
    assert re.fullmatch(r"fold: 20 of 20, [\d,]+/s\nindex: 1 of 1, [\d,]+/s\n", written)


def test_a_log_has_lines_between_with_the_rate_and_the_time_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.0)
    lines = told(("fold", 0, 300), ("fold", 150, 300), terminal=False).splitlines()
    assert lines[0] == "fold: 0 of 300"
    assert re.fullmatch(r"fold: 150 of 300, [\d,]+/s, [\d:]+ left", lines[1])


def test_nothing_to_do_has_no_rate() -> None:
    assert told(("fold", 0, 0), terminal=False) == "fold: 0 of 0\n"


def test_a_terminal_has_a_bar_for_each_phase_with_its_rate() -> None:
    calls = ("fold", 0, 20), ("fold", 20, 20), ("index", 0, 6)
    shown_ = told(*calls, terminal=True)
    assert re.search(r"Fold +━+ +20/20 +[\d,]+/s", shown_)
    assert re.search(r"Index +0/6", shown_)
