"""What a benchmark reports: a ratio inside one run, beside its target."""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROUNDS = 5
TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")


class Result(NamedTuple):
    """One line of the table; `at_most` where the ratio is a cost, no target where none was set."""

    what: str
    ratio: float
    target: float | None
    at_most: bool
    detail: str

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None where there is none."""
        if self.target is None:
            return None
        return self.ratio <= self.target if self.at_most else self.ratio >= self.target


def seconds(work: Callable[[], object]) -> float:
    """Return how long a piece of work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def processor_s(pid: int) -> float:
    """Return the processor time that a process of this machine has taken."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / TICKS_A_SECOND


def processor_s_of(work: Callable[[], object]) -> float:
    """Return how much processor time of this process a piece of work takes."""
    began = time.process_time()
    work()
    return time.process_time() - began


def percentile(ascending: Sequence[float], percent: float) -> float:
    """Return the value that `percent` of all did not exceed."""
    return ascending[min(len(ascending) - 1, int(len(ascending) * percent / 100))]


def medians(*works: Callable[[], float], rounds: int = ROUNDS) -> list[float]:
    """Take turns with several measurements, so that the machine's moods hit all of them alike."""
    taken = [[work() for work in works] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*taken, strict=True)]
