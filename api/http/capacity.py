"""How many connections the limit of open files leaves room for."""

from __future__ import annotations

import sys
from typing import Final, NamedTuple

CONNECTIONS_MAX: Final = 4_096
BACKLOG_MAX: Final = 2_048
"""Connections that the kernel has made and that wait to be accepted."""
FILES_RESERVED: Final = 128
"""For what is not a connection: the database, files, pipes, the log."""
FILES_ENOUGH: Final = CONNECTIONS_MAX + BACKLOG_MAX + FILES_RESERVED


class Capacity(NamedTuple):
    """How many connections may be open in a process, and how many more may wait to be accepted.

    All that wait are accepted in one go, before any can be closed: so they need files as well.
    """

    connections_max: int
    backlog: int

    @classmethod
    def of(cls, files_max: int, workers: int = 1) -> Capacity:
        """Return what is possible for one of so many processes, with so many open files each."""
        files = min(files_max, FILES_ENOUGH)
        left = max(files - FILES_RESERVED, files // 2)
        backlog = max(min(BACKLOG_MAX, left // 4), 1)
        return cls(max(min(part(CONNECTIONS_MAX, workers), left - backlog), 1), backlog)


def part(limit: int, workers: int) -> int:
    """Return what each of several processes has of a limit: together no less than it."""
    return -(-limit // workers)


def raise_files_max() -> int:
    """Raise the process' limit of open files as far as it may and needs; return the limit.

    Processes that it starts inherit it, so it is raised to what is of use and not without end.
    """
    if sys.platform == "win32":
        return FILES_ENOUGH
    import resource  # noqa: PLC0415 -- not on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    wanted = FILES_ENOUGH if hard == unlimited else min(hard, FILES_ENOUGH)
    if soft == unlimited or soft >= wanted:
        return FILES_ENOUGH if soft == unlimited else soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted
