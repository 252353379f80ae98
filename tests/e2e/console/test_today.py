"""Today in a real browser: what its numbers lead to, a year of MRR, and a new installation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from console.catalogue import PAGES
from tests.support.browser import axe, looking
from tests.support.histories import said
from tests.support.http_server import served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.support.http_server import Served

THERE = {page.path for page in PAGES}


def test_numbers_lead_to_the_lists_of_what_they_count(page: Page, shop: Served) -> None:
    page.goto("/")
    for label in ("Active subscriptions", "Open disputes", "Failed payments", "In grace"):
        card = page.get_by_role("region", name=label, exact=True)
        figure = card.locator(".figure a")
        path = figure.get_attribute("href") or ""
        assert path.partition("?")[0] in THERE
        found = shop.client.get(f"/v1{path}&limit=100").json()["items"]
        assert figure.inner_text() == str(len(found)), label


def test_a_year_of_mrr_comes_by_itself_and_has_its_figures_for_who_sees_no_picture(
    page: Page,
) -> None:
    page.goto("/")
    year = page.get_by_role("region", name="MRR and active subscriptions", exact=True)
    year.get_by_role("img").first.wait_for()
    assert "As of" in year.inner_text()
    year.get_by_text("Month by month").click()
    assert year.get_by_role("row").count() > 12
    assert axe(page) == []


def test_without_scripts_a_link_leads_to_the_year(browser: Browser, shop: Served) -> None:
    with looking(browser, shop.url, scripts=False) as page:
        page.goto("/today/mrr")
        assert page.get_by_role("img").count() > 0
        page.get_by_role("link", name="Today").first.click()
        # It was worked out a moment ago.
        assert page.get_by_role("img").count() > 0


def test_the_past_is_told_as_it_was(page: Page) -> None:
    page.goto("/?as_of=2026-06-01T00:00:00Z")
    assert "You are looking at the past" in page.inner_text("main")
    assert "parked" not in page.inner_text("main")
    figure = page.get_by_role("region", name="Active subscriptions", exact=True).locator("a")
    assert "as_of=2026-06-01" in (figure.get_attribute("href") or "")
    page.get_by_role("img").first.wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_new_installation_is_shown_how_to_connect_dodo(
    browser: Browser, database: str, scheme: str
) -> None:
    with served(database) as server, looking(browser, server.url, scheme=scheme) as page:  # type: ignore[arg-type]  # one of two
        page.goto("/")
        page.locator("#live[data-state=on]").wait_for()
        assert f"{server.url}/webhooks/dodo" in page.inner_text("main")
        assert "No webhook has come" in page.inner_text("main")
        assert axe(page) == []
        other = "whsec_b3RoZXIgc2VjcmV0IG9mIGFub3RoZXIgZW5kcG9pbnQ="
        body = said("payment.succeeded", payment_id="pay_1").body
        assert server.post(body, secret=other).status_code == 401
        page.reload()
        assert "1 requests came to the address" in page.inner_text("main")
        # The first one that is verified makes it Today, by itself.
        server.deliver(body)
        page.get_by_role("heading", name="Active subscriptions", exact=True).wait_for()
