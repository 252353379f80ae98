"""The merchant's files, of which no more is read than a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class FileError(Exception):
    """A file cannot be read, or is too large; the message names it and says why."""


def content_of(path: Path, bytes_max: int) -> bytes:
    """Read a file of so many bytes at the most.

    Raises:
        FileError: it cannot be read, or is larger.
    """
    try:
        with path.open("rb") as file:
            content = file.read(bytes_max + 1)
    except OSError as error:
        raise FileError(f"{path.name}: {error.strerror}") from error
    if len(content) > bytes_max:
        raise FileError(f"{path.name}: the file is larger than {bytes_max} bytes")
    return content
