"""The API key that a server makes for itself where none is configured."""

from __future__ import annotations

import logging
import os
import secrets
import stat
import sys
import tempfile
from pathlib import Path
from typing import Final

from cli.settings import API_KEY, HOME, SettingsError, checked_key

_log = logging.getLogger(__name__)

NAME: Final = "api_key"
KEY_BYTES: Final = 32
"""Of randomness; it is written as 43 characters."""
_READ_BYTES_MAX: Final = 4 * 1024
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def kept_in(home: Path) -> Path:
    """Return the file that has the key of a home."""
    return home / NAME


def kept_key(home: Path) -> str:
    """Return the key in a home, and make it where there is none yet.

    The file appears whole or not at all, and of several servers that make one at the same time
    all return the one that came first.

    Raises:
        SettingsError: it cannot be read or made, or is not a key.
    """
    path = kept_in(home)
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _make(path)
        return _read(path)
    except OSError as error:
        raise SettingsError(
            f"{API_KEY} is not set, and no key can be kept in {path}: {error.strerror}. Set"
            f" {API_KEY} to a random text, or {HOME} to a directory that can be written"
        ) from error


def _make(path: Path) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    unfinished = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{secrets.token_urlsafe(KEY_BYTES)}\n")
            file.flush()
            os.fsync(file.fileno())
        # Unlike a renamed file, a link never takes another's place.
        path.hardlink_to(unfinished)
    except FileExistsError:
        return
    finally:
        unfinished.unlink()
    _sync(path.parent)


def _read(path: Path) -> str:
    with path.open("rb") as file:
        if sys.platform != "win32" and os.fstat(file.fileno()).st_mode & _OTHERS:
            _log.warning("others could read %s: no more. Delete it to have a new key", path)
            os.fchmod(file.fileno(), stat.S_IRUSR | stat.S_IWUSR)
        content = file.read(_READ_BYTES_MAX)
    try:
        return checked_key(content.decode().strip(), str(path))
    except (SettingsError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not an API key: delete it to have a new one") from error


def _sync(directory: Path) -> None:
    """Have a directory's entries on the disk, where the system can."""
    if sys.platform == "win32":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
