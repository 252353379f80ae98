"""What ships and what files say: packages, wheel, locks, paths."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

PROJECT = Path(__file__).resolve().parents[2]

PACKAGES = (
    "domain ledger projections workflows api cli postgres telemetry simulator migrations dodo"
    " reconciliation console"
).split()

MACHINE_PATH = re.compile(r"(?<![\w./~-])/(?:home|root|Users|work)/\w")
"""An absolute path that only exists on the machine of whoever wrote it."""

UPWARDS = re.compile(r"(?<![\w./])\.\.(?:/\.\.)*(?![\w.])")
"""A path that begins with steps to the folder above."""

ABOVE_MODULE = re.compile(r"__file__\)(?:\.resolve\(\))?(?:\.parents\[(\d+)\]|((?:\.parent\b)+))")
"""A folder above a module, as Python takes it."""


@pytest.fixture(scope="module")
def project_files() -> list[Path]:
    """Every file that is committed or would be, once added."""
    if not (PROJECT / ".git").exists():
        pytest.skip("only a git checkout tells which files belong to the project")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True).stdout
    paths = [PROJECT / name for name in names.split("\0") if name]
    return [path for path in paths if path.is_file()]


def modules_of(package: str) -> list[Path]:
    """Every module of a package, itself included."""
    return sorted((PROJECT / package).rglob("*.py"))


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_is_the_projects_own(package: str) -> None:
    origin = importlib.import_module(package).__file__
    assert origin is not None
    assert Path(origin).resolve() == PROJECT / package / "__init__.py"


def test_connections_are_made_in_one_place() -> None:
    """Each has its limits; a pool that backs off is nowhere."""
    made = re.compile(r"psycopg\.(Async)?(Connection\.)?connect\(|psycopg_pool|ConnectionPool\(")
    found = {
        path.relative_to(PROJECT).as_posix()
        for package in PACKAGES
        for path in modules_of(package)
        if made.search(path.read_text("utf-8"))
    }
    assert found == set()


def test_the_command_is_installed_and_can_be_loaded() -> None:
    scripts = importlib.metadata.distribution("raphus").entry_points.select(group="console_scripts")
    assert [(script.name, script.value) for script in scripts] == [("raphus", "cli:main")]
    assert callable(cast("Callable[[], object]", scripts["raphus"].load()))


def test_the_command_loads_no_http_client_before_one_is_needed() -> None:
    loaded = "import sys, cli; print(*sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", loaded], cwd=PROJECT, check=True, capture_output=True
    )
    assert b"cli.parser" in ended.stdout.split()
    assert not {b"aiohttp", b"dodopayments", b"httpx"} & {*ended.stdout.split()}


def test_the_wheel_holds_every_module_and_migration_and_nothing_else(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory"]
    subprocess.run([*build, str(tmp_path)], cwd=PROJECT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("raphus-*.whl")
    shipped = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    expected = {path for package in PACKAGES for path in modules_of(package)}
    expected |= set((PROJECT / "migrations").glob("*.sql"))
    missing = {path.relative_to(PROJECT).as_posix() for path in expected} - shipped
    assert not missing
    assert {name.partition("/")[0] for name in shipped} == set(PACKAGES)
    assert any(name.endswith(".sql") for name in shipped)


def first_line(module: Path) -> str:
    """What a module says of itself, which stands before all else."""
    text = module.read_text("utf-8")
    return text[3:].partition("\n")[0] if text.startswith('"""') else ""


def test_every_module_begins_by_saying_its_job(project_files: list[Path]) -> None:
    modules = [path for path in project_files if path.suffix == ".py"]
    silent = [path for path in modules if not first_line(path)]
    assert modules
    assert silent == []


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-dev.txt"])
def test_a_lock_pins_every_package_by_hash_and_names_no_place_to_fetch_it_from(lock: str) -> None:
    text = (PROJECT / lock).read_text("utf-8")
    entries = re.split(r"\n(?=\w)", re.sub(r"(?m)^\s*#.*\n?", "", text).strip())
    unpinned = [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry]
    assert unpinned == []
    assert re.findall(r"(?m)^\s*-(?!-hash).*|.*://.*|.* @ .*", text) == []


def test_no_file_names_a_path_of_somebodys_machine(project_files: list[Path]) -> None:
    named = {
        path.relative_to(PROJECT).as_posix(): match.group()
        for path in project_files
        if (match := MACHINE_PATH.search(path.read_bytes().decode("utf-8", "replace")))
    }
    assert named == {}


def steps_up(text: str) -> int:
    """How many folders up from its file's own the longest way in a text leads."""
    paths = [way[0].count("..") for way in UPWARDS.finditer(text)]
    of_python = [int(way[1] or way[2].count(".parent") - 1) for way in ABOVE_MODULE.finditer(text)]
    return max(paths + of_python, default=0)


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("cd ../.. && make", 2),
        ("[the page](../docs/a.md)", 1),
        ("f/a/../b and so on...", 0),
        ('PAGE = Path(__file__).resolve().parents[2] / "docs"', 2),
        ("FOLDER = Path(__file__).parent.parent.parent", 2),
        ("FOLDER = Path(__file__).parent", 0),
    ],
)
def test_steps_to_folders_above_are_counted(text: str, steps: int) -> None:
    assert steps_up(text) == steps


def test_no_file_names_a_path_outside_the_project(project_files: list[Path]) -> None:
    outside = []
    for path in project_files:
        text = path.read_bytes().decode("utf-8", "replace")
        depth = len(path.relative_to(PROJECT).parents) - 1
        if steps_up(text) > depth or re.search(r"\bPROJECT\.parent", text):
            outside.append(path.relative_to(PROJECT).as_posix())
    assert outside == []
