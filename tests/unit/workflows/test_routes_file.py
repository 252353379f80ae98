"""The file of the routes: where its code is looked for, and that a wrong one does no harm."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from workflows.routes.routes_file import FILE_BYTES_MAX, RoutesError, RoutesFile, read_routes

ROUTE = '[[route]]\nname = "x"\non = ["*"]\nscript = "f/raphus/x"\n'


def test_own_code_is_looked_for_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "ours.py").touch()
    (tmp_path / "ours.js").touch()
    file = tmp_path / "windmill.toml"
    second = ROUTE.replace('"x"', '"y"')
    file.write_text(
        f'{ROUTE}transformation = "python:ours.py:shape"\n'
        f'{second}transformation = "javascript:ours.js"\n'
    )
    python, javascript = (route.own_code for route in read_routes(file))
    assert python == ("python", tmp_path / "ours.py", "shape")
    assert javascript == ("javascript", tmp_path / "ours.js", "handler")


def test_a_file_that_cannot_be_read_is_told_wrong(tmp_path: Path) -> None:
    with pytest.raises(RoutesError, match=r"^windmill\.toml: No such file"):
        read_routes(tmp_path / "windmill.toml")
    with pytest.raises(RoutesError, match="Is a directory"):
        read_routes(tmp_path)


def test_a_file_has_a_limit(tmp_path: Path) -> None:
    file = tmp_path / "windmill.toml"
    file.write_bytes(b"#" * FILE_BYTES_MAX)
    assert read_routes(file) == ()
    file.write_bytes(b"#" * (FILE_BYTES_MAX + 1))
    with pytest.raises(RoutesError, match="larger than 1048576 bytes"):
        read_routes(file)


def names(file: RoutesFile) -> list[str]:
    """Return the names of the routes that are good now."""
    return [route.name for route in file.current()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of one route, `x`, that was written long ago."""
    path = tmp_path / "windmill.toml"
    write(path, ROUTE)
    return path


def write(path: Path, text: str, age_s: int = 100) -> None:
    """Write a file as if it had been written some time ago."""
    path.write_text(text)
    moment_ns = time.time_ns() - age_s * 10**9
    os.utime(path, ns=(moment_ns, moment_ns))


def test_a_file_that_changes_is_read_again(path: Path) -> None:
    file = RoutesFile(path)
    assert names(file) == ["x"]
    write(path, ROUTE.replace('"x"', '"y"'), age_s=99)
    assert names(file) == ["y"]


def test_a_file_that_does_not_change_is_not_read_again(path: Path) -> None:
    file = RoutesFile(path)
    routes = file.current()
    assert file.current() is routes
    os.utime(path)
    assert file.current() is routes


def test_a_change_within_one_tick_of_the_clock_is_seen(path: Path) -> None:
    write(path, ROUTE, age_s=0)
    before = path.stat()
    file = RoutesFile(path)
    assert names(file) == ["x"]
    path.write_text(ROUTE.replace('"x"', '"y"'))
    os.utime(path, ns=(before.st_mtime_ns, before.st_mtime_ns))
    assert names(file) == ["y"]


def test_a_wrong_file_leaves_the_last_good_routes(path: Path) -> None:
    file = RoutesFile(path)
    assert names(file) == ["x"]
    write(path, f"{ROUTE}nonsense = 1\n")
    assert names(file) == ["x"]
    assert file.problem is not None
    assert file.problem.startswith("windmill.toml:5: unknown key 'nonsense'")
    write(path, ROUTE.replace('"x"', '"y"'))
    assert names(file) == ["y"]
    assert file.problem is None


def test_a_file_that_was_never_right_gives_no_routes_and_a_problem(path: Path) -> None:
    write(path, "nonsense")
    file = RoutesFile(path)
    assert names(file) == []
    assert file.problem is not None
    assert names(file) == []


def test_what_is_put_right_beside_the_file_ends_its_problem(path: Path) -> None:
    write(path, f'{ROUTE}transformation = "python:late.py:f"\n')
    file = RoutesFile(path, retry_s=0)
    assert names(file) == []
    assert file.problem is not None
    (path.parent / "late.py").touch()
    assert names(file) == ["x"]
    assert file.problem is None


def test_a_file_that_is_not_there_is_no_problem_unless_it_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "windmill.toml"
    file = RoutesFile(path)
    asked_for = RoutesFile(path, required=True, retry_s=0)
    assert names(file) == names(asked_for) == []
    assert file.problem is None
    assert asked_for.problem == "windmill.toml: there is no such file"
    write(path, ROUTE)
    assert names(file) == names(asked_for) == ["x"]
    assert asked_for.problem is None


def test_a_file_that_vanishes_leaves_its_routes(path: Path) -> None:
    file = RoutesFile(path)
    assert names(file) == ["x"]
    path.unlink()
    assert names(file) == ["x"]
    assert file.problem == "windmill.toml: there is no such file"
