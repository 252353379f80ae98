"""Workers that read the tests of a fresh clone share the work of it."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tests.support.samples import PROJECT

if TYPE_CHECKING:
    import pytest


def read_share(config: pytest.Config) -> None:
    """Import a share of the test files, if all are to be collected, before the others are.

    Each worker collects every file, and what pytest makes of its assertions is kept beside it: who
    reads a file first does so for all. If all began with the same one, each would do it for itself.
    """
    # Of xdist, in a worker alone.
    worker: dict[str, Any] = getattr(config, "workerinput", {})
    if not worker or [config.rootpath / arg for arg in config.args] != [PROJECT / "tests"]:
        return
    number, workers = int(worker["workerid"].removeprefix("gw")), int(worker["workercount"])
    for file in sorted((PROJECT / "tests").rglob("test_*.py"))[number::workers]:
        # What is wrong with one is said when it is collected.
        with suppress(Exception):
            import_module(".".join(file.relative_to(PROJECT).with_suffix("").parts))
