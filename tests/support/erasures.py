"""An erasure as a process of its own, which kills itself at a step."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from ledger.erasure import Request
from tests.support.samples import PROJECT
from workflows.erasure import forget

if TYPE_CHECKING:
    from collections.abc import Sequence


def killed(database: str, customer_id: str, step: int) -> int:
    """Erase in a process that kills itself when a step is done; return its exit code."""
    command = [sys.executable, "-m", __name__, database, customer_id, str(step)]
    return subprocess.run(command, check=False, cwd=PROJECT).returncode


def main(arguments: Sequence[str]) -> None:
    """Erase, and die when the step is done."""
    database, customer_id, step = arguments

    def progress(_phase: str, done: int, _total: int) -> None:
        if done == int(step):
            os.kill(os.getpid(), signal.SIGKILL)

    forget(database, Request(customer_id, None, "he asked", None), progress)


if __name__ == "__main__":
    main(sys.argv[1:])
