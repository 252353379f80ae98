"""What goes wrong is told in a line, with its exit code; a traceback is for --debug."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.support.program import RAPHUS, environment, raphus
from tests.support.waiting import GUARD_S

if TYPE_CHECKING:
    from collections.abc import Iterator

ASCII_ONLY = {"PYTHONIOENCODING": "ascii"}
"""An output that cannot take what `raphus docs` prints, as nobody has foreseen."""


@pytest.fixture
def stranger(database: str) -> Iterator[str]:
    """A role that may connect, and nothing else."""
    name = f"stranger_{conninfo_to_dict(database)['dbname']}"
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute(f"CREATE ROLE {name} LOGIN".encode())
        yield make_conninfo(database, user=name)
        conn.execute(f"DROP ROLE {name}".encode())


def test_a_defect_shows_no_traceback_and_where_to_report_it(tmp_path: Path) -> None:
    ended = raphus("docs", env=environment(tmp_path, **ASCII_ONLY))
    assert ended.returncode == 1
    where, what_to_do = ended.stderr.splitlines()
    assert where.startswith("raphus: a defect of Raphus: UnicodeEncodeError at ")
    assert "CONTRIBUTING.md" in what_to_do


def test_a_defect_is_shown_whole_to_debug(tmp_path: Path) -> None:
    ended = raphus("docs", "--debug", env=environment(tmp_path, **ASCII_ONLY))
    assert ended.returncode == 1
    assert "Traceback (most recent call last):" in ended.stderr
    assert "UnicodeEncodeError: 'ascii' codec can't encode character" in ended.stderr


@pytest.mark.parametrize(
    ("command", "settings", "code", "told"),
    [
        ("serve", {"PORT": "many"}, 2, "PORT is not a port number"),
        ("serve", {"DODO_PAYMENTS_WEBHOOK_KEY": ""}, 2, "DODO_PAYMENTS_WEBHOOK_KEY is not set"),
        ("events", {"DATABASE_URL": "postgresql://127.0.0.1:1/none"}, 1, "cannot be used"),
        ("restore gone.backup", {}, 1, "gone.backup"),
    ],
)
def test_what_is_expected_is_told_in_a_line(
    tmp_path: Path, command: str, settings: dict[str, str], code: int, told: str
) -> None:
    ended = raphus(*command.split(), env=environment(tmp_path, **settings))
    assert (ended.returncode, ended.stdout) == (code, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith("raphus: ")
    assert told in line
    assert "defect" not in line


def test_a_role_without_rights_is_told_what_it_may_not_do(stranger: str, tmp_path: Path) -> None:
    ended = raphus("events", env=environment(tmp_path, DATABASE_URL=stranger))
    assert (ended.returncode, ended.stdout) == (1, "")
    (line,) = ended.stderr.splitlines()
    assert "permission denied for database" in line
    assert "defect" not in line


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk to write to is Linux's")
def test_a_full_disk_is_no_defect(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [RAPHUS, "version"],
            check=False,
            encoding="utf-8",
            env=environment(tmp_path),
            stderr=subprocess.PIPE,
            stdout=full,
            timeout=GUARD_S,
        )
    assert ended.returncode == 1
    assert ended.stderr == "raphus: [Errno 28] No space left on device\n"
