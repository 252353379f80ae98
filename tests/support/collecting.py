"""What workers collect: they share the reading, and begin with what takes long."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from itertools import chain, groupby, islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from tests.support.samples import PROJECT

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest


def read_share(config: pytest.Config) -> None:
    """Import a share of the test files, if all are to be collected, before the others are.

    Each worker collects every file, and what pytest makes of its assertions is kept beside it: who
    reads a file first does so for all. If all began with the same one, each would do it for itself.
    """
    worker = told(config)
    if not worker or [config.rootpath / arg for arg in config.args] != [PROJECT / "tests"]:
        return
    number = int(worker["workerid"].removeprefix("gw"))
    for file in sorted((PROJECT / "tests").rglob("test_*.py"))[number :: _workers(config)]:
        # What is wrong with one is said when it is collected.
        with suppress(Exception):
            import_module(".".join(file.relative_to(PROJECT).with_suffix("").parts))


def dealt(config: pytest.Config, items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Return tests so that each worker begins with some of those that are marked `long`.

    Of a list that is cut into as many equal pieces as there are workers, each takes one, and then
    from the ends of others': nobody begins what is long when the others are about to end.
    """
    workers = _workers(config)
    files = groupby((item for item in items if is_long(item)), attrgetter("path"))
    long = [list(of_one) for _, of_one in files]
    others = iter([item for item in items if not is_long(item)])
    pieces: list[pytest.Item] = []
    for number in range(workers):
        first = [*chain.from_iterable(long[number::workers])]
        until = len(items) * (number + 1) // workers
        pieces += [*first, *islice(others, max(0, until - len(pieces) - len(first)))]
    return [*pieces, *others]


def is_long(item: pytest.Item) -> bool:
    """Tell whether a test takes many seconds alone."""
    return item.get_closest_marker("long") is not None


def _workers(config: pytest.Config) -> int:
    return int(told(config).get("workercount", 1))


def told(config: pytest.Config) -> dict[str, Any]:
    """Return what xdist tells a worker; nothing in other processes."""
    given: dict[str, Any] = getattr(config, "workerinput", {})
    return given
