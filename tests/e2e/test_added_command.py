"""A command that is added as docs/how-to-add-a-command.md says, and one that has a defect."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.program import code_on, copied_code, environment, raphus

if TYPE_CHECKING:
    from pathlib import Path

SECRET: Final = "buyer@example.com"
WITH_A_DEFECT: Final = f'''"""Read a body."""

def add(command):
    command.add_argument("--deep", action="store_true")

def run(settings, args):
    try:
        raise ValueError("of {SECRET}")
    except ValueError as error:
        raise LookupError("no {SECRET}") from error
'''


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command line with two commands more."""
    folder = copied_code(tmp_path_factory.mktemp("code"), "cli")
    commands = folder / "cli" / "commands"
    (commands / "home.py").write_text(code_on("how-to-add-a-command.md", "python"), "utf-8")
    (commands / "broken.py").write_text(WITH_A_DEFECT, "utf-8")
    return folder


def test_the_command_of_the_page_is_found_helps_and_works(code: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    env = environment(home)
    helped = raphus("--help", env=env, code=code)
    assert re.search(r"^ +home +print where the embedded database and", helped.stdout, re.MULTILINE)
    early = raphus("home", env=env, code=code)
    assert (early.returncode, early.stdout) == (1, "")
    assert early.stderr == f"raphus: {home} is not there yet: raphus serve makes it\n"
    home.mkdir()
    assert raphus("home", env=env, code=code).stdout == f"{home}\n"
    assert json.loads(raphus("home", "--json", env=env, code=code).stdout) == str(home)


def test_a_defect_is_told_in_one_line_without_what_the_exception_says(
    code: Path, tmp_path: Path
) -> None:
    ended = raphus("broken", env=environment(tmp_path), code=code)
    assert (ended.returncode, ended.stdout) == (1, "")
    where, what_to_do = ended.stderr.splitlines()
    assert where.startswith("raphus: a defect of Raphus: LookupError at ")
    assert "commands/broken.py:10" in where
    assert "because of ValueError at " in where
    assert SECRET not in ended.stderr
    assert "CONTRIBUTING.md" in what_to_do
    assert "--debug" in what_to_do


def test_to_debug_all_of_a_defect_is_told(code: Path, tmp_path: Path) -> None:
    ended = raphus("broken", "--debug", env=environment(tmp_path), code=code)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("raphus: Traceback (most recent call last):\n")
    assert f"ValueError: of {SECRET}" in ended.stderr
    assert ended.stderr.endswith(f"LookupError: no {SECRET}\n")
