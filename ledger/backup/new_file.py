"""A file that appears under its name when it is whole and on disk."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from ledger.backup.archive import BackupError

if TYPE_CHECKING:
    from collections.abc import Iterator

UNFINISHED: Final = ".unfinished"
"""How the name of what is not whole ends; whoever is killed leaves it, and it may be removed."""


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file that only its user can read, and give it its name when the block has ended.

    It replaces no other.

    Raises:
        BackupError: there is a file of this name; or it cannot be written.
    """
    if path.exists():
        raise _is_there(path)
    try:
        with _unfinished(path) as (unfinished, file):
            yield file
            file.flush()
            os.fsync(file.fileno())
            _appear(unfinished, path)
    except OSError as error:
        raise BackupError(f"{path} cannot be written: {error.strerror}") from error


@contextmanager
def replaced_file(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file that only its user can read, and give it its name when the block has ended.

    It takes the place of what has the name until then.

    Raises:
        OSError: it cannot be written.
    """
    with _unfinished(path) as (unfinished, file):
        yield file
        file.flush()
        os.fsync(file.fileno())
        _rename(unfinished, path)


@contextmanager
def _unfinished(path: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    descriptor, name = tempfile.mkstemp(UNFINISHED, f".{path.name}.", path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield Path(name), file
    finally:
        Path(name).unlink(missing_ok=True)


def _appear(unfinished: Path, path: Path) -> None:
    # Not by a hard link, which not every file system has. Of two that end at once, one gets the
    # name; what is there for a moment is empty, and no backup.
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError as error:
        raise _is_there(path) from error
    _rename(unfinished, path)


def _rename(unfinished: Path, path: Path) -> None:
    unfinished.replace(path)
    names_on_disk(path.parent)


def names_on_disk(folder: Path) -> None:
    """Bring to disk which names a folder has, and what they stand for."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_there(path: Path) -> BackupError:
    return BackupError(f"{path} is there already: choose another name, or remove it")
