"""What most imports and reconciliations find: all that has happened to a small merchant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.reconciled import all_delivered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.http_server import CopyOf


@pytest.fixture
def followed(copy_of: CopyOf) -> Iterator[str]:
    """Give a database that all webhooks have reached, and the read models."""
    with copy_of(all_delivered) as conninfo:
        yield conninfo
