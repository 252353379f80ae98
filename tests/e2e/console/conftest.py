"""A server with a merchant's life, and a browser that looks at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.browser import launched, looking
from tests.support.console import fill
from tests.support.http_server import copied, filled, served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from tests.support.http_server import Served


@pytest.fixture(scope="session")
def lived(cluster: str, template: str) -> str:
    """Make a database with a merchant's life, which is copied and never used."""
    return filled(cluster, template, "lived", fill)


@pytest.fixture(scope="module")
def shop(cluster: str, lived: str) -> Iterator[Served]:
    """Serve a merchant's life, open on loopback; for tests that only read."""
    with copied(cluster, lived) as conninfo, served(conninfo) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start a browser for the tests of a file."""
    with launched() as running:
        yield running


@pytest.fixture
def page(browser: Browser, shop: Served) -> Iterator[Page]:
    """Look at the shop in a window of the test's own."""
    with looking(browser, shop.url) as opened:
        yield opened
