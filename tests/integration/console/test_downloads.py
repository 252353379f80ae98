"""What a page lists, whole and as a file: by a session, as the API exports it."""

from __future__ import annotations

import csv
import io
import re
from html import unescape
from typing import TYPE_CHECKING

import pytest

from tests.support.console import signed_in
from tests.support.http_server import served
from tests.support.keys import made

if TYPE_CHECKING:
    from tests.support.http_server import Served

YEAR = "start=2025-11-01&end=2026-11-01"
OWN = "a-key-of-thirty-two-characters-0"
PAGES = (
    "/subscriptions?status=active",
    "/payments?as_of=2026-06-01T00:00:00Z",
    "/customers",
    "/events?type=payment.succeeded",
    "/refusals",
    "/anomalies?as_of=2026-10-01T00:00:00Z",
    f"/revenue/mrr?{YEAR}&as_of=2026-11-01T12:00:00Z",
    f"/revenue/cohorts?{YEAR}&measure=mrr&as_of=2026-11-01T12:00:00Z",
    f"/revenue/takings?{YEAR}&limit=2",
)


def downloads(html: str) -> dict[str, str]:
    """The addresses of a page's files, by what they are called."""
    found = re.findall(r'href="(/exports/[^"]+)" download>([^<]+)</a>', html)
    return {label: unescape(address) for address, label in found}


@pytest.mark.parametrize("address", PAGES)
def test_a_page_leads_to_the_apis_export_of_what_it_asks(address: str, shop: Served) -> None:
    found = downloads(shop.client.get(address).text)
    if not found:
        assert "<tbody>" not in shop.client.get(address).text
        return
    assert list(found) == ["CSV", "JSON Lines", "Parquet"]
    for label in ("CSV", "JSON Lines"):
        file = shop.client.get(found[label])
        assert file.status_code == 200, file.text
        assert file.content == shop.client.get(f"/v1{found[label]}").content


def test_it_is_had_with_a_session_and_within_its_scope(lived: str) -> None:
    key = made(lived, "to read", "read")
    with served(lived, api_key=OWN) as server, signed_in(server, key) as client:
        file = client.get("/exports/customers?format=csv")
        rows = list(csv.DictReader(io.StringIO(file.text, newline="")))
        assert rows
        assert {row["email"] for row in rows} == {""}
        assert server.client.get("/exports/customers?format=csv").status_code in (303, 401)


def test_what_cannot_be_had_is_said_on_a_page(shop: Served) -> None:
    response = shop.client.get("/exports/nothing?format=csv")
    assert response.status_code == 404
    assert "<h1>" in response.text
