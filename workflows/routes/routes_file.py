"""The file that declares routes, read again when it has changed."""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING, Final, NamedTuple

from workflows.bounded_file import FileError, content_of
from workflows.routes.parser import RoutesError, read_text
from workflows.routes.route import Route, Routes, ShownRoute

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Route", "Routes", "RoutesError", "RoutesFile", "ShownRoute", "read_routes"]

FILE_BYTES_MAX: Final = 1024 * 1024
SETTLED_S: Final = 2.0
"""A file that was written less than this ago may be written again without its time changing."""


def read_routes(path: Path) -> Routes:
    """Read a file of routes.

    Raises:
        RoutesError: it cannot be read, or something in it is wrong.
    """
    return read_text(path, _content(path))


class RoutesFile:
    """A file of routes, read again when it changes; may be asked by several threads.

    `problem` tells why the routes are those of an earlier time. A file that is not `required`
    may be missing from the start: there are no routes then, and no problem. `retry_s` is how
    long a wrong file is left alone while it does not change.
    """

    def __init__(self, path: Path, *, required: bool = False, retry_s: float = 1.0) -> None:
        self.path = path
        self.problem: str | None = None
        self._required = required
        self._retry_s = retry_s
        self._retry_at = 0.0
        self._routes: Routes | None = None
        self._content: bytes | None = None
        self._seen: _Seen | None = None
        self._lock = Lock()

    def current(self) -> Routes:
        """Return the routes that the file declares, or declared when it was last right."""
        with self._lock:
            try:
                self._look()
            except RoutesError as error:
                self.problem = str(error)
                self._retry_at = time.monotonic() + self._retry_s
            return Routes() if self._routes is None else self._routes

    def _look(self) -> None:
        seen = _seen(self.path)
        if seen is None:
            if self._required or self._routes is not None:
                raise RoutesError(f"{self.path.name}: there is no such file")
            return
        # What is wrong may be put right elsewhere: by the file of a transformation.
        is_due = self.problem is not None and time.monotonic() >= self._retry_at
        if seen == self._seen and not is_due:
            return
        content = _content(self.path)
        is_settled = time.time() - seen.modified_ns / 1e9 > SETTLED_S
        self._seen = seen if is_settled else None
        if content != self._content or is_due:
            self._content = content
            self._routes = read_text(self.path, content)
            self.problem = None


class _Seen(NamedTuple):
    modified_ns: int
    size_bytes: int
    inode: int


def _seen(path: Path) -> _Seen | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RoutesError(f"{path.name}: {error.strerror}") from error
    return _Seen(stat.st_mtime_ns, stat.st_size, stat.st_ino)


def _content(path: Path) -> bytes:
    try:
        return content_of(path, FILE_BYTES_MAX)
    except FileError as error:
        raise RoutesError(str(error)) from error
