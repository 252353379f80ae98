"""What the ready-made scripts that send reach: Slack, a mail server, Raphus, and a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.http_server import Served, served
from tests.support.outside import Post, Web, post, web
from tests.support.scripts import API_KEY, resource_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def resource(database: str) -> dict[str, Any]:
    """Give the database as a Windmill resource."""
    return resource_of(database)


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
    with served(database, api_key=API_KEY) as running:
        running.client.headers["authorization"] = f"Bearer {API_KEY}"
        yield running
