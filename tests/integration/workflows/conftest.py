"""The folder in which a merchant's transformations stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.shop import LastingShop, Shop, sandboxes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.shop import Sandboxes


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Give a folder without any transformations yet."""
    return Shop(tmp_path)


@pytest.fixture(scope="module")
def kept_sandboxes() -> Iterator[Sandboxes]:
    """Keep sandboxes for all tests of a module that do not care which calls there were before."""
    with sandboxes() as kept:
        yield kept


@pytest.fixture
def lasting_shop(tmp_path: Path, kept_sandboxes: Sandboxes) -> Shop:
    """Give a folder without any transformations yet, whose code runs where others' ran."""
    return LastingShop(tmp_path, kept_sandboxes)
