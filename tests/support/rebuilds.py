"""Rebuilds to be watched, hurried along, or killed: here, and as a process of its own."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

from projections.read_models.catalogue import READ_MODELS
from projections.rebuild.rebuild import CATCH_UP, COMPARE, FOLD, INDEX, SCHEMA, WRITE, rebuild
from tests.support.connected import connected
from tests.support.prepared import run_module
from tests.support.projected import forget, project, record, shown, simulated

if TYPE_CHECKING:
    from collections.abc import Callable

    from projections.rebuild.rebuild import Rebuilt
    from telemetry.progress import Progress

PHASES = [FOLD, INDEX, CATCH_UP, COMPARE, WRITE]
COMMIT = "commit"
"""The moment before it: the last call of the last phase."""


def ignore(_phase: str, _done: int, _total: int) -> None:
    """Take no interest in the progress."""


def rebuilt(database: str, progress: Progress = ignore, *, check: bool = False) -> Rebuilt:
    """Rebuild every read model."""
    return rebuild(database, READ_MODELS, check=check, progress=progress)


def at(moment: str, act: Callable[[], None]) -> Progress:
    """Make a progress that acts whenever the rebuild is in a phase, or before its commit."""

    def progress(phase: str, done: int, total: int) -> None:
        folding = phase == FOLD and moment == FOLD and done > 0
        last = phase == WRITE and moment == COMMIT and done == total
        if folding or last or phase == moment != FOLD:
            act()

    return progress


def after_folding(act: Callable[[], None], then: Progress = ignore) -> Progress:
    """Make a progress that acts once, when what was shown at first has been folded."""
    acted = False

    def progress(phase: str, done: int, total: int) -> None:
        nonlocal acted
        if phase == INDEX and not acted:
            acted = True
            act()
        then(phase, done, total)

    return progress


def tamper(database: str) -> None:
    """Follow a merchant; then take a row away, add one, and spoil one, each of another table."""
    record(database, simulated(12))
    project(database)
    execute(
        database,
        "DELETE FROM raphus.payments WHERE first_position ="
        " (SELECT min(first_position) FROM raphus.payments)",
    )
    execute(
        database,
        "UPDATE raphus.subscriptions SET status = 'pending', quantity = NULL"
        " WHERE first_position = (SELECT max(first_position) FROM raphus.subscriptions)",
    )
    execute(
        database,
        "INSERT INTO raphus.timeline SELECT (jsonb_populate_record(t,"
        " '{\"position\": 999999999}')).* FROM raphus.timeline AS t ORDER BY position LIMIT 1",
    )


def execute(database: str, statement: str) -> None:
    """Run a statement that must hit some rows."""
    with connected(database) as conn:
        assert conn.execute(statement.encode()).rowcount != 0


def replayed(database: str) -> dict[str, list[str]]:
    """Empty the read models, follow the log from its first event, and read them."""
    forget(database)
    project(database)
    return shown(database)


def nothing_is_left(database: str) -> bool:
    """Tell whether no rebuild's tables and no connections of its processes are left."""
    with connected(database) as conn:
        left = conn.execute(
            "SELECT (SELECT count(*) FROM pg_namespace WHERE nspname = %s) + (SELECT count(*)"
            " FROM pg_stat_activity WHERE application_name = 'raphus-rebuild'"
            " AND datname = current_database())",
            [SCHEMA],
        ).fetchone()
    return left == (0,)


def killed_at(database: str, moment: str) -> int:
    """Rebuild in a process that kills itself at a moment; return its exit code."""
    return run_module(__name__, [database, moment])


def die() -> None:
    """Kill this process."""
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Rebuild, catching up with what was left to follow, and die when the moment has come."""
    database, moment = sys.argv[1:]
    rebuilt(database, after_folding(lambda: project(database), at(moment, die)))
