"""Copies of PostgreSQL's programs, for accounts that are not allowed where the originals lie."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from postgres.embedded.errors import EmbeddedPostgresError
from postgres.embedded.locks import exclusive
from postgres.embedded.patience import Patience

CACHE_DIRECTORY = Path("/var/cache/raphus")
COPY_LIMIT_S = 120.0
NOT_COPIED = ("include", "pgxs", "*.a")
"""What only compilers read."""


def copy_out(directory: Path) -> Path:
    """Copy the programs of a Python package to where everybody can read them.

    No mode of the original or its parents changes. The libraries lie in `<package>.libs` beside
    the package, where the programs look for them relative to themselves, so the copy has that
    shape too. Its name holds the content's hash: it is made once a version.

    Args:
        directory: the package's `pginstall/bin`.

    Returns:
        The same directory in the copy.

    Raises:
        EmbeddedPostgresError: the copy cannot be written.
    """
    package = directory.parents[1]
    with (directory / "postgres").open("rb") as program:
        content = hashlib.file_digest(program, "sha256").hexdigest()[:16]
    copy = CACHE_DIRECTORY / f"{package.name}-{content}"
    try:
        if not CACHE_DIRECTORY.exists():
            CACHE_DIRECTORY.mkdir(parents=True)
            CACHE_DIRECTORY.chmod(0o755)  # whatever the umask
        with exclusive(CACHE_DIRECTORY / ".lock", Patience("a copy of PostgreSQL", COPY_LIMIT_S)):
            if not copy.exists():
                _copy_package(package, directory.parent.name, copy)
    except OSError as error:
        raise EmbeddedPostgresError(
            f"The account that runs PostgreSQL cannot use {directory}, and a copy cannot be "
            f"written to {CACHE_DIRECTORY}: {error.strerror}. Install Raphus where others can "
            "read it, or set DATABASE_URL to a PostgreSQL server of your own."
        ) from error
    return copy / directory.relative_to(package.parent)


def _copy_package(package: Path, installation: str, copy: Path) -> None:
    """Copy one of a package's installations and its libraries; the copy appears when complete."""
    libraries = package.with_name(f"{package.name}.libs")
    with tempfile.TemporaryDirectory(dir=CACHE_DIRECTORY) as temporary:
        unfinished = Path(temporary) / copy.name
        ignore = shutil.ignore_patterns(*NOT_COPIED)
        shutil.copytree(
            package / installation, unfinished / package.name / installation, ignore=ignore
        )
        if libraries.is_dir():
            shutil.copytree(libraries, unfinished / libraries.name)
        _let_everybody_read(unfinished)
        unfinished.rename(copy)


def _let_everybody_read(tree: Path) -> None:
    for path, _, names in os.walk(tree):
        directory = Path(path)
        directory.chmod(0o755)
        for file in (directory / name for name in names):
            if not file.is_symlink():
                file.chmod(0o755 if file.stat().st_mode & 0o100 else 0o644)
