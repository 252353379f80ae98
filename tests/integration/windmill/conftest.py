"""What the ready-made scripts that send reach: Slack, a mail server, Raphus, and a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.http_server import copied
from tests.support.outside import Post, Web, post, web
from tests.support.scripts import resource_of, served_with_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.http_server import Served


@pytest.fixture
def resource(database: str) -> dict[str, Any]:
    """Give the database as a Windmill resource."""
    return resource_of(database)


@pytest.fixture
def memory(empty: str) -> dict[str, Any]:
    """Give a database as a resource in which nothing is, but what scripts remember there."""
    return resource_of(empty)


@pytest.fixture
def slack() -> Iterator[Web]:
    """Stand in for Slack, which takes every message."""
    with web() as running:
        running.answers["/api/chat.postMessage"] = [(200, {"ok": True})]
        running.answers["/services/T0/B0/secret"] = [(200, "ok")]
        yield running


@pytest.fixture
def mails() -> Iterator[Post]:
    """Take mails."""
    with post() as running:
        yield running


@pytest.fixture
def raphus(database: str) -> Iterator[Served]:
    """Serve the database to whoever has the API key."""
    with served_with_key(database) as running:
        yield running


@pytest.fixture(scope="module")
def lasting_raphus(cluster: str, template: str) -> Iterator[Served]:
    """Do the same for all tests of a module, none of which tells it what another denies."""
    with copied(cluster, template) as database, served_with_key(database) as running:
        yield running
