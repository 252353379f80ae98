"""A merchant's life, and a server that shows it to whoever is on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.console import fill
from tests.support.http_server import copied, served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.http_server import Served


@pytest.fixture(scope="module")
def lived(cluster: str, template: str) -> Iterator[str]:
    """A database with a merchant's life; for tests that only read."""
    with copied(cluster, template) as conninfo:
        fill(conninfo)
        yield conninfo


@pytest.fixture(scope="module")
def shop(lived: str) -> Iterator[Served]:
    """Serve it, open on loopback."""
    with served(lived) as running:
        yield running
