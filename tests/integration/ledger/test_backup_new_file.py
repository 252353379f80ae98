"""A new file: whole under its name, private, and in nobody's place; or not there."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from ledger.backup.archive import BackupError
from ledger.backup.new_file import UNFINISHED, new_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_it_appears_at_the_end_for_its_user_only(tmp_path: Path) -> None:
    path = tmp_path / "backup"
    with new_file(path) as file:
        file.write(b"whole")
        (unfinished,) = tmp_path.iterdir()
        assert unfinished.name.endswith(UNFINISHED)
        assert stat.S_IMODE(unfinished.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"whole"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nothing_is_left_of_what_fails(tmp_path: Path) -> None:
    def interrupted() -> None:
        with new_file(tmp_path / "backup") as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "backup"
    path.write_bytes(b"older")
    with pytest.raises(BackupError, match="is there already"), new_file(path):
        pytest.fail("nothing is to be written")
    assert path.read_bytes() == b"older"


def test_what_appears_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "backup"

    def overtaken() -> None:
        with new_file(path):
            path.write_bytes(b"earlier")

    with pytest.raises(BackupError, match="is there already"):
        overtaken()
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"earlier"


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "backup"
    with pytest.raises(BackupError, match="cannot be written: No such file"), new_file(path):
        pytest.fail("nothing is to be written")
