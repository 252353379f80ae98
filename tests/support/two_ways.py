"""A shop of which the same is asked over HTTP and by commands."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from tests.support.past import told_twice
from tests.support.program import environment, raphus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from domain.delivery import Delivery
    from tests.support.http_server import Served


class Shop(NamedTuple):
    """A server for the answers of HTTP, and the environment in which commands find its database.

    At `known_at` the first part of its log was known, and nothing else.
    """

    server: Served
    env: dict[str, str]
    known_at: str

    def answered(self, *arguments: str) -> str:
        """Run a command that must succeed, and return what it prints."""
        ended = raphus(*arguments, env=self.env)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout


@contextmanager
def opened(
    cluster: str, template: str, home: Path, first: Sequence[Delivery], then: Sequence[Delivery]
) -> Iterator[Shop]:
    """Record both parts of a shop's log, and serve until the block ends."""
    with told_twice(cluster, template, first, then) as past:
        yield Shop(past.server, environment(home, DATABASE_URL=past.conninfo), past.between)
