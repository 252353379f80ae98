"""Where a merchant's transformations stand, senders that tests share, and what is shown at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.announcing import showing
from tests.support.at_work import at_work
from tests.support.http_server import copied
from tests.support.shop import LastingShop, Shop, sandboxes
from tests.support.windmill import write_hook, write_routes
from tests.support.windmill_stand_in import EndpointStandIn, StandIn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.announcing import Shown
    from tests.support.at_work import AtWork
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


@pytest.fixture(scope="module")
def windmill_at_work(
    cluster: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AtWork]:
    """Start jobs in a Windmill for all tests of a module that look at an event of their own."""
    with copied(cluster, template) as database, StandIn() as windmill:
        routes = write_routes(tmp_path_factory.mktemp("windmill"))
        with at_work(database, routes, windmill) as shared:
            yield shared


@pytest.fixture(scope="module")
def endpoint_at_work(
    cluster: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AtWork]:
    """Send to an endpoint for all tests of a module that look at an event of their own."""
    with copied(cluster, template) as database, EndpointStandIn() as endpoint:
        routes = write_hook(tmp_path_factory.mktemp("endpoint"), endpoint.url)
        with at_work(database, routes, endpoint) as shared:
            yield shared


@pytest.fixture
def shown(database: str) -> Iterator[Shown]:
    """Give a database whose read models show at once what a test records."""
    with showing(database) as opened:
        yield opened
