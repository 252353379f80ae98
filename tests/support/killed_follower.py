"""A process that follows the log, and kills itself as it stores a fold: before, then, or after."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ledger.following.checkpoint import ProjectionTracking
from projections.folds import store
from projections.folds.going_on import GoingOn
from tests.support.prepared import run_module
from tests.support.projected import project
from tests.support.rebuilds import die

if TYPE_CHECKING:
    from collections.abc import Callable

MOMENTS = ("before it is written", "before it is committed", "when it is committed")


def killed(database: str, moment: str) -> int:
    """Follow the log in a process that kills itself at a moment; return its exit code."""
    return run_module(__name__, [database, moment])


def _dying(work: Callable[..., Any], *, first: bool) -> Callable[..., Any]:
    def dying(*arguments: Any) -> Any:  # noqa: ANN401 -- whatever it takes and gives
        done = None if first else work(*arguments)
        die()
        return done

    return dying


def main() -> None:
    """Follow the log until a fold is stored."""
    database, moment = sys.argv[1:]
    if moment == "when it is committed":
        GoingOn.committed = _dying(GoingOn.committed, first=True)  # type: ignore[method-assign]
    elif moment == "before it is committed":
        ProjectionTracking.commit = _dying(ProjectionTracking.commit, first=True)  # type: ignore[method-assign]
    else:
        store.write = _dying(store.write, first=True)
    project(database)
