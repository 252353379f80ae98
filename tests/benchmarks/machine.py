"""What a line says of the machine that it was measured on, and of who else was busy there."""

from __future__ import annotations

import os
import platform
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.benchmarks.measure import TICKS_A_SECOND

_STAT: Final = Path("/proc/stat")
_LOOKED_AT_S: Final = 1.0
_QUIET: Final = 0.1
"""So many cores are taken at most by others on a machine that is quiet."""
_IDLE: Final = slice(3, 5)
"""Of the ticks of all processors: those without work, and those that waited for a disk."""
_ALL: Final = slice(0, 8)
"""What follows is counted in these already: a guest's ticks."""


def taken_by_others() -> float:
    """Return how many cores others take while we do nothing; of a virtual machine, its host too."""
    before, began = _STAT.read_text(), time.perf_counter()
    time.sleep(_LOOKED_AT_S)
    took_s = time.perf_counter() - began
    return (busy_ticks(_STAT.read_text()) - busy_ticks(before)) / TICKS_A_SECOND / took_s


def busy_ticks(stat: str) -> int:
    """Read what `/proc/stat` says of all processors together: their ticks with work."""
    ticks = [int(number) for number in stat.partition("\n")[0].split()[1:]]
    return sum(ticks[_ALL]) - sum(ticks[_IDLE])


def described(command: str, before: float, after: float) -> str:
    """Say when, on what and by which command, and how many cores others took before and after."""
    others = max(before, after)
    quiet = "quiet" if others <= _QUIET else f"others took {others:.1f} cores"
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    return f"{datetime.now(UTC):%Y-%m-%d}, {machine}, {quiet}, `{command}`"
