"""Homes for embedded databases: one for all tests, or one of the test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.embedded_users import home_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def new_home() -> Iterator[Path]:
    """Give a home in which no cluster has been made yet."""
    with home_of(None) as home:
        yield home


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """One for all tests that do not care whether the cluster is new; none runs between them."""
    with home_of(None) as home:
        yield home
