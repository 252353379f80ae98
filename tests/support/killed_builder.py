"""A process that builds a snapshot, and kills itself when some of it is there."""

from __future__ import annotations

import sys

from projections.rebuild.snapshots import provide
from tests.support.prepared import run_module
from tests.support.rebuilds import die


def killed(database: str, position: int) -> int:
    """Build a snapshot in a process that kills itself; return its exit code."""
    return run_module(__name__, [database, str(position)])


def main() -> None:
    """Build until something is done."""
    database, position = sys.argv[1:]

    def progress(_phase: str, done: int, _total: int) -> None:
        if done:
            die()

    provide(database, int(position), progress)
