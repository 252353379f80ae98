"""A merchant's life as the console shows it, and forms as a browser sends them."""

from __future__ import annotations

import re
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import httpx

from simulator import merchant
from tests.support.http_server import as_signed
from tests.support.looks import catalogue, observe
from tests.support.projected import few_payouts, project, record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.http_server import Served

UNTIL: Final = datetime(2026, 11, 1, tzinfo=UTC)


def fill(conninfo: str, customers: int = 6) -> None:
    """Record what happened to a small merchant, with at least one thing of each kind."""
    observe(conninfo, catalogue("bus_demo"))
    occurrences = merchant(26, customers=customers, until=UNTIL)
    told = [as_signed(one.body, one.webhook_id) for one in occurrences]
    record(conninfo, few_payouts(told))
    project(conninfo)


@contextmanager
def signed_in(server: Served, key: str) -> Iterator[httpx.Client]:
    """Give a client with a session of a key."""
    with httpx.Client(base_url=server.url, timeout=60, trust_env=False) as client:
        answer = client.post("/sign-in", data={"key": key, "to": "/search"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/search")
        yield client


def page_of(server: Served, address: str) -> str:
    """Return a page that must be there."""
    response = server.client.get(address)
    assert response.status_code == 200, (address, response.text)
    return response.text


def token_in(html: str) -> str:
    """Return the token of a page's forms."""
    found = re.search(r'name="csrf_token" value="([0-9a-f]{64})"', html)
    assert found is not None
    return found[1]
