"""Pages of revenue and anomalies: the figures are the API's, and lead to what they are made of."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from console.pages.listed import LISTED
from console.pages.revenue import REVENUE
from console.rendering.words import money
from tests.support.console import fill, page_of
from tests.support.http_server import copied, served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from console.page import Page
    from tests.support.http_server import Served

YEAR = "start=2025-11-01&end=2026-11-01"


@pytest.fixture(scope="module")
def shop(cluster: str, template: str) -> Iterator[Served]:
    """Serve a merchant's life, open on loopback; for tests that only read."""
    with copied(cluster, template) as conninfo:
        fill(conninfo, customers=12)
        with served(conninfo) as running:
            yield running


def asked(server: Served, address: str) -> Any:  # noqa: ANN401 -- JSON
    """What the API answers to the request that a page of this address is about."""
    response = server.client.get(f"/v1{address}")
    assert response.status_code == 200, response.text
    return response.json()


def main_of(html: str) -> str:
    return html[html.index("<main") : html.index("</main>")]


def leads(html: str) -> list[str]:
    """The addresses of the lists that figures lead to, each once."""
    found = re.findall(r'href="([^"]+)"', main_of(html))
    return [*dict.fromkeys(unescape(one) for one in found if "/revenue/" in one and "?" in one)]


@pytest.mark.parametrize("page", REVENUE, ids=lambda page: page.path)
def test_each_figure_leads_to_a_page(page: Page[Any], shop: Served) -> None:
    found = leads(page_of(shop, f"{page.path}?{YEAR}"))
    assert found
    for address in found:
        page_of(shop, address)


def test_the_figures_are_those_of_the_api(shop: Served) -> None:
    report = shop.get("/v1/revenue/mrr", start="2025-11-01", end="2026-11-01")
    html = unescape(page_of(shop, f"/revenue/mrr?{YEAR}"))
    told = [one for period in report["periods"] for one in period["figures"]]
    assert told
    for one in told:
        for amount in (one["start"], one["end"], one["arr"], one["churn"]["amount"]):
            assert money(amount, one["currency"]) in html


def test_no_product_is_left_out_in_silence(shop: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    report = shop.get("/v1/revenue/mrr", start="2025-11-01", end="2026-11-01", by="product")
    last = report["periods"][-1]["figures"]
    assert len(last) > 3
    monkeypatch.setattr("console.pages.revenue.AT_LENGTH_MAX", 2)
    html = main_of(page_of(shop, f"/revenue/mrr?{YEAR}&by=product"))
    at_length, in_short = html.split("All others</h2>")
    assert (at_length.count("MRR by month"), in_short.count("<tr>")) == (2, len(last) - 2 + 1)
    largest: list[int] = []
    others: list[int] = []
    for one in last:
        assert money(one["end"], one["currency"]) in unescape(html)
        title = f'{one["currency"]}, <a href="/products/{one["product_id"]}">'
        is_in_short = title in in_short
        assert is_in_short != (title in at_length)
        (others if is_in_short else largest).append(one["active_subscriptions"]["end"])
    assert min(largest) >= max(others)
    for address in leads(f"<main{in_short}</main>"):
        page_of(shop, address)
    monkeypatch.setattr("console.pages.revenue.IN_SHORT_MAX", 1)
    html = page_of(shop, f"/revenue/mrr?{YEAR}&by=product")
    assert f"{len(last) - 3} more are left out" in html


@pytest.mark.parametrize("kind", ["new", "expansion", "contraction", "churn", "reactivation"])
def test_the_movements_behind_a_figure_add_up_to_it(kind: str, shop: Served) -> None:
    report = shop.get("/v1/revenue/mrr", start="2025-11-01", end="2026-11-01")
    html = page_of(shop, f"/revenue/mrr?{YEAR}")
    behind = [one for one in leads(html) if one.endswith(f"kind={kind}")]
    told = [one for period in report["periods"] for one in period["figures"]]
    listed = [asked(shop, one) for one in behind]
    assert sum(len(one["items"]) for one in listed) == sum(one[kind]["count"] for one in told)
    assert sorted(sum(item["amount"] for item in one["items"]) for one in listed) == sorted(
        one[kind]["amount"] for one in told
    )


def test_the_past_is_kept_where_figures_lead(shop: Served) -> None:
    html = page_of(shop, "/revenue/mrr?as_of=2026-06-01T00:00:00Z&known_at=2026-11-26T00:00:00Z")
    found = leads(html)
    assert found
    assert all("known_at=2026-11-26T00" in one for one in found)


def test_retention_is_told_of_customers_and_of_mrr(shop: Served) -> None:
    customers = page_of(shop, f"/revenue/cohorts?{YEAR}")
    assert "Retention of customers by month" in customers
    assert "Retention of MRR by month" in page_of(shop, f"/revenue/cohorts?{YEAR}&measure=mrr")


@pytest.mark.parametrize("page", LISTED, ids=lambda page: page.path)
def test_a_list_shows_as_much_as_the_api_answers(page: Page[Any], shop: Served) -> None:
    query = f"?{YEAR}" if "start" in page.takes.__struct_fields__ else ""
    items = asked(shop, f"{page.path}{query}")["items"]
    html = main_of(page_of(shop, f"{page.path}{query}"))
    body = re.search(r"<tbody>(.*?)</tbody>", html, re.DOTALL)
    assert (body[1].count("<tr>") if body else 0) == len(items)


def test_a_list_goes_on_where_a_part_of_it_ends(shop: Served) -> None:
    first = page_of(shop, f"/revenue/takings?{YEAR}&limit=2")
    found = re.search(r'rel="next" href="([^"]+)"', first)
    assert found
    following = unescape(found[1])
    assert urlsplit(following).path == "/revenue/takings"
    assert main_of(page_of(shop, following)) != main_of(first)


def test_an_anomaly_says_what_to_do(shop: Served) -> None:
    items = shop.get("/v1/anomalies", as_of="2026-10-01T00:00:00Z")["items"]
    html = unescape(page_of(shop, "/anomalies?as_of=2026-10-01T00:00:00Z"))
    assert html.count("<article") == len(items)
    for one in items:
        assert one["action"] in html
        assert one["text"] in html


def test_what_is_asked_wrongly_is_said_on_a_page(shop: Served) -> None:
    response = shop.client.get("/revenue/mrr?start=2026-12-01&end=2026-01-01")
    assert response.status_code == 400
    assert "must not lie behind" in response.text
