"""Replays to be watched or killed: here, and as a process of its own."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.prepared import run_module
from workflows.outbox.replay import Asked, Replayed, replay
from workflows.routes.routes_file import read_routes

if TYPE_CHECKING:
    from datetime import datetime

    from workflows.outbox.replay import Progress
    from workflows.routes.conditions import Glob


def ignore(_phase: str, _done: int, _total: int) -> None:
    """Take no interest in the progress."""


def replayed(
    database: str,
    routes: Path,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    types: Glob | None = None,
    again: bool = False,
    dry_run: bool = False,
    progress: Progress = ignore,
) -> Replayed:
    """Replay for the only route of a file."""
    (route,) = read_routes(routes)
    wanted = Asked(route, since, until, types, again)
    return replay(database, wanted, dry_run=dry_run, progress=progress)


def killed(database: str, routes: Path, moment: str) -> int:
    """Replay all again in a process that kills itself; return its exit code.

    It does so when a first part is done, or before the commit: `part` or `whole`.
    """
    return run_module(__name__, [database, str(routes), moment])


def main() -> None:
    """Replay, and die when the moment has come."""
    database, routes, moment = sys.argv[1:]

    def progress(_phase: str, done: int, total: int) -> None:
        if done and (moment == "part" or done == total):
            os.kill(os.getpid(), signal.SIGKILL)

    replayed(database, Path(routes), progress=progress, again=True)
