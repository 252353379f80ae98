"""What most of these tests record with, and ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ledger.application import Ledger
from tests.support.http_server import served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.http_server import Served


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
