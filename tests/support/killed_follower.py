"""A process that follows the log, and kills itself as it stores a fold: before, then, or after."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from projections.folds import store
from projections.folds.going_on import GoingOn
from tests.support.projected import project
from tests.support.samples import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MOMENTS = ("before it is written", "before it is committed", "when it is committed")


def killed(database: str, moment: str) -> int:
    """Follow the log in a process that kills itself at a moment; return its exit code."""
    command = [sys.executable, "-m", __name__, database, moment]
    return subprocess.run(command, check=False, cwd=PROJECT).returncode


def _dying(work: Callable[..., Any], *, first: bool) -> Callable[..., Any]:
    def dying(*arguments: Any) -> Any:  # noqa: ANN401 -- whatever it takes and gives
        done = None if first else work(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)
        return done

    return dying


def main(arguments: Sequence[str]) -> None:
    """Follow the log until a fold is stored."""
    database, moment = arguments
    if moment == "when it is committed":
        GoingOn.committed = _dying(GoingOn.committed, first=True)  # type: ignore[method-assign]
    else:
        store.write = _dying(store.write, first=moment == "before it is written")
    project(database)


if __name__ == "__main__":
    main(sys.argv[1:])
