"""What most of these tests record with, and ask."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from ledger.application import Ledger
from tests.support.http_server import copied, filled, served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.http_server import CopyOf, Served


@pytest.fixture
def ledger(database: str) -> Iterator[Ledger]:
    """Open a ledger on the test's own database."""
    with Ledger(database) as opened:
        yield opened


@pytest.fixture
def server(database: str) -> Iterator[Served]:
    """Serve the test's own database."""
    with served(database) as running:
        yield running


@pytest.fixture(scope="module")
def untold(cluster: str, template: str) -> Iterator[Served]:
    """Serve a database in which nothing has come, to tests that tell nothing."""
    with copied(cluster, template) as conninfo, served(conninfo) as running:
        yield running


@pytest.fixture(scope="session")
def copy_of(cluster: str, template: str) -> CopyOf:
    """Give copies of databases, each of which a function of its own fills once."""

    @cache
    def kept(fill: Callable[[str], object]) -> str:
        name = f"filled_{fill.__module__}_{fill.__name__}".replace(".", "_")
        return filled(cluster, template, name[-60:], fill)

    return lambda fill: copied(cluster, kept(fill))
