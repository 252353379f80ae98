"""How many processes take requests, as is wanted or as there is room for."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

WORKERS_MAX: Final = 8
"""Chosen by itself: more answer more reads, but webhooks are shown by one process all the same."""
WORKER_BYTES: Final = 2**30
"""Of memory for each, with what PostgreSQL and the other processes take beside it."""
_CGROUP: Final = Path("/sys/fs/cgroup")


def workers(wanted: int | None) -> int:
    """Return how many take requests where so many are wanted; 0 is one process for everything.

    By itself it is one for each two cores, where there is memory for it. The other half is for the
    follower and for PostgreSQL, which take as much together.
    """
    if sys.platform == "win32":  # it does not inherit sockets
        return 0
    if wanted is not None:
        return wanted
    return min(int(_cores()) // 2, _memory_bytes() // WORKER_BYTES, WORKERS_MAX)


def _cores() -> float:
    """Return how many may be used: of the machine, by this process, and by its container."""
    usable = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))
    cores = float(len(usable(0)))
    with suppress(OSError, ValueError):
        quota, period = (_CGROUP / "cpu.max").read_text("ascii").split()
        if quota != "max":
            cores = min(cores, int(quota) / int(period))
    return cores


def _memory_bytes() -> int:
    """Return how much there is of memory, of the machine and for its container."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):  # it says "max" where there is no limit
        memory = min(memory, int((_CGROUP / "memory.max").read_text("ascii")))
    return memory
