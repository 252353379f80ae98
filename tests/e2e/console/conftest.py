"""A server with a merchant's life, and a browser that looks at it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.browser import HASTY, launched, looking
from tests.support.console import fill
from tests.support.http_server import copied, filled, served

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from playwright.sync_api import Browser, Page

    from tests.support.http_server import Served

_HERE: Final = Path(__file__).parent
_running: Final = ExitStack()
_browsers: Final[list[Browser]] = []


@pytest.fixture(scope="session")
def lived(cluster: str, template: str) -> str:
    """Make a database with a merchant's life, which is copied and never used."""
    return filled(cluster, template, "lived", fill)


@pytest.fixture(scope="module")
def shop(cluster: str, lived: str) -> Iterator[Served]:
    """Serve a merchant's life, open on loopback; for tests that only read."""
    with copied(cluster, lived) as conninfo, served(conninfo) as running:
        yield running


@pytest.fixture
def browser() -> Browser:
    """Start a browser for all tests of this folder that come one after the other."""
    if not _browsers:
        _browsers.append(_running.enter_context(launched(HASTY)))
    return _browsers[0]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> Generator[None]:
    """End it before tests of other folders, which may be of asyncio."""
    try:
        return (yield)
    finally:
        if nextitem is None or nextitem.path.parent != _HERE:
            _browsers.clear()
            _running.close()


@pytest.fixture
def page(browser: Browser, shop: Served) -> Iterator[Page]:
    """Look at the shop in a window that nobody else has now."""
    with looking(browser, shop.url, again=True) as opened:
        yield opened
