"""An erasure as a process of its own, which kills itself at a step."""

from __future__ import annotations

import os
import signal
import sys

from ledger.erasure import Request
from tests.support.prepared import run_module
from workflows.erasure import forget


def killed(database: str, customer_id: str, step: int) -> int:
    """Erase in a process that kills itself when a step is done; return its exit code."""
    return run_module(__name__, [database, customer_id, str(step)])


def main() -> None:
    """Erase, and die when the step is done."""
    database, customer_id, step = sys.argv[1:]

    def progress(_phase: str, done: int, _total: int) -> None:
        if done == int(step):
            os.kill(os.getpid(), signal.SIGKILL)

    forget(database, Request(customer_id, None, "he asked", None), progress)
