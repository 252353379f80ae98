"""Locks between processes, which the kernel frees when their holders die."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from postgres.embedded.errors import EmbeddedPostgresError
from postgres.embedded.patience import Patience

if sys.platform != "win32":
    import fcntl


class FileLock:
    """A flock on a file of its own, shared by all copies of one open descriptor.

    A child process that inherits the descriptor holds the lock too: it is free when the last
    copy is closed, however its holders ended.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, and create it where it is missing.

        Raises:
            OSError: the file cannot be opened for writing.
        """
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)

    def fileno(self) -> int:
        """Return the descriptor, for a child to inherit."""
        return self._descriptor

    def try_exclusive(self) -> bool:
        """Take or upgrade to the exclusive lock, if that needs no waiting."""
        return self._try(fcntl.LOCK_EX)

    def try_shared(self) -> bool:
        """Take the shared lock, if that needs no waiting."""
        return self._try(fcntl.LOCK_SH)

    def _try(self, operation: int) -> bool:
        try:
            fcntl.flock(self._descriptor, operation | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Close this copy of the descriptor; once is enough, and more does no harm."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def exclusive(path: Path, patience: Patience) -> Iterator[None]:
    """Hold the exclusive lock on a file.

    Raises:
        EmbeddedPostgresError: another process held it for longer than there was patience.
    """
    with FileLock(path) as lock:
        while not lock.try_exclusive():
            if not patience.pause():
                raise EmbeddedPostgresError(f"Another process keeps {path} locked.")
        yield
