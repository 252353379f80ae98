"""The folder in which a merchant's transformations stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.shop import Shop

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Give a folder without any transformations yet."""
    return Shop(tmp_path)
