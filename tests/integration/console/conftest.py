"""A merchant's life, and a server that shows it to whoever is on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.console import fill
from tests.support.http_server import served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.http_server import CopyOf, Served


@pytest.fixture(scope="module")
def lived(copy_of: CopyOf) -> Iterator[str]:
    """A database with a merchant's life; for tests that only read."""
    with copy_of(fill) as conninfo:
        yield conninfo


@pytest.fixture(scope="module")
def shop(lived: str) -> Iterator[Served]:
    """Serve it, open on loopback."""
    with served(lived) as running:
        yield running
