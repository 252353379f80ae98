"""A file of the merchant's, read again when it changes; a wrong one leaves what was right last."""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

from workflows.bounded_file import FileError, content_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")
FILE_BYTES_MAX: Final = 1024 * 1024
SETTLED_S: Final = 2.0
"""A file that was written less than this ago may be written again without its time changing."""
WHOLE_S: Final = 0.2
"""What a file says counts when it has not changed for so long: who writes it may empty it first."""


class FollowedFile(Generic[T]):
    """What a file says, read again when it changes; may be asked by several threads.

    `read` makes it of the content, and raises FileError where something is wrong. `problem` tells
    why what counts is of an earlier time. A file that is not `required` may be missing from the
    start: `without` counts then, and there is no problem. `retry_s` is how long a wrong file is
    left alone while it does not change.
    """

    def __init__(
        self,
        path: Path,
        read: Callable[[Path, bytes], T],
        without: T,
        *,
        required: bool = False,
        retry_s: float = 1.0,
    ) -> None:
        self.path = path
        self.problem: str | None = None
        self._read = read
        self._counts = without
        self._was_right = False
        self._required = required
        self._retry_s = retry_s
        self._retry_at = 0.0
        self._content: bytes | None = None
        self._seen: _Seen | None = None
        self._lock = Lock()

    def current(self) -> T:
        """Return what the file says, or said when it was last right."""
        with self._lock:
            try:
                self._look()
            except FileError as error:
                self.problem = str(error)
                self._retry_at = time.monotonic() + self._retry_s
            return self._counts

    @property
    def is_being_written(self) -> bool:
        """Whether it may not be whole: to be asked behind what it says."""
        try:
            age_s = time.time() - self.path.stat().st_mtime
        except OSError:
            return False
        return 0 <= age_s < WHOLE_S

    def _look(self) -> None:
        seen = _seen(self.path)
        if seen is None:
            if self._required or self._was_right:
                raise FileError(f"{self.path.name}: there is no such file")
            return
        # What is wrong may be put right elsewhere: by the file of a transformation.
        is_due = self.problem is not None and time.monotonic() >= self._retry_at
        if seen == self._seen and not is_due:
            return
        content = content_of(self.path, FILE_BYTES_MAX)
        is_settled = time.time() - seen.modified_ns / 1e9 > SETTLED_S
        self._seen = seen if is_settled else None
        if content != self._content or is_due:
            self._content = content
            self._counts = self._read(self.path, content)
            self._was_right = True
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
        raise FileError(f"{path.name}: {error.strerror}") from error
    return _Seen(stat.st_mtime_ns, stat.st_size, stat.st_ino)
