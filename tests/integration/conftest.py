"""The ledger that most of these tests record with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ledger.application import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def ledger(database: str) -> Iterator[Ledger]:
    """Open a ledger on the test's own database."""
    with Ledger(database) as opened:
        yield opened
