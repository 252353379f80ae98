"""The merchant's files as they are read, and what is said of errors in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from workflows.bounded_file import FileError, content_of
from workflows.transforms.sandbox_protocol import CallError

if TYPE_CHECKING:
    from pathlib import Path

SOURCE_BYTES_MAX: Final = 1024 * 1024
MESSAGE_CHARS_MAX: Final = 200


def read_source(path: Path) -> str:
    """Read a file of code.

    Raises:
        CallError: it cannot be read, or is no code.
    """
    try:
        source = content_of(path, SOURCE_BYTES_MAX).decode("utf-8-sig")
    except FileError as error:
        raise CallError(str(error)) from error
    except UnicodeDecodeError as error:
        raise CallError(f"{path.name}: not a text file in UTF-8") from error
    if "\0" in source:
        raise CallError(f"{path.name}: not a text file")
    return source


def shortened(message: str) -> str:
    """Return the beginning of a message, on one line."""
    return " ".join(message[: 2 * MESSAGE_CHARS_MAX].split())[:MESSAGE_CHARS_MAX]
