"""Every page in a real browser: that it stands, for everybody, in both themes and on a phone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from console.catalogue import PAGES
from tests.support.browser import axe, looking
from tests.support.resources import ID_FIELD
from tests.support.waiting import until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request, ViewportSize

    from tests.support.http_server import Served

WHOLE = [page.path for page in PAGES if "{" not in page.path]
"""The pages that are not about one thing."""
PHONE: Final[ViewportSize] = {"width": 360, "height": 800}
SCREEN: Final[ViewportSize] = {"width": 1280, "height": 800}
WIDTH_PX = "document.documentElement.scrollWidth"
FIRST_LOAD_BYTES_MAX = 150 * 1024
A4_PX = 718
"""How wide a sheet is between its margins."""
RIGHTMOST = """Math.max(...[...document.querySelectorAll("th, td")].map(
    (cell) => cell.getBoundingClientRect().right))"""


def things(shop: Served) -> list[str]:
    """The address of one thing of each kind, and of a customer and an event."""
    return [
        f"/{resource}/{shop.get(f'/v1/{resource}', limit=1)['items'][0][field]}"
        for resource, field in {**ID_FIELD, "events": "webhook_id"}.items()
    ]


def opened(page: Page, path: str) -> None:
    """Open a page that must be there, with one heading that says what it is."""
    response = page.goto(path)
    assert response is not None
    assert response.status == 200, path
    headings, title = page.evaluate("[document.querySelectorAll('h1').length, document.title]")
    assert headings == 1
    assert title.endswith("· Raphus")


@pytest.mark.parametrize("path", ["/search?q=nothing", "/payments?status=no_such"])
def test_a_page_that_says_there_is_nothing_is_for_everybody(path: str, page: Page) -> None:
    opened(page, path)
    assert axe(page) == []


@pytest.mark.long
def test_every_page_fits_on_a_phone_and_is_for_everybody(page: Page, shop: Served) -> None:
    for path in [*WHOLE, *things(shop)]:
        page.set_viewport_size(PHONE)
        opened(page, path)
        assert page.evaluate(WIDTH_PX) <= PHONE["width"], path
        page.set_viewport_size(SCREEN)
        assert axe(page) == [], path
    page.set_viewport_size(PHONE)
    assert axe(page) == []


def test_the_dark_theme_can_be_read(browser: Browser, shop: Served) -> None:
    with looking(browser, shop.url, scheme="dark", again=True) as page:
        for path in ["/subscriptions?status=active", "/payments", things(shop)[2]]:
            opened(page, path)
            assert axe(page, "color-contrast") == [], path


def test_what_a_page_tells_in_short_is_for_everybody(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.pages.revenue.AT_LENGTH_MAX", 1)
    opened(page, "/revenue/mrr?by=product")
    assert page.get_by_role("heading", name="All others").is_visible()
    assert axe(page) == []
    page.set_viewport_size(PHONE)
    # The chart becomes narrower after the page.
    until(lambda: page.evaluate(WIDTH_PX) <= PHONE["width"])


def test_every_page_works_without_scripts(browser: Browser, shop: Served) -> None:
    with looking(browser, shop.url, scripts=False) as page:
        for path in WHOLE:
            answer = shop.client.get(path, follow_redirects=True)
            assert answer.status_code == 200, path
            # What stands there without scripts is what is sent, but for this.
            if "<noscript" in answer.text:
                opened(page, path)
            told = [answer.text.count(one) for one in ("<h1", "· Raphus</title>")]
            assert told == [1, 1], path
        opened(page, "/payments")
        page.get_by_label("Search").fill("nothing of this name")
        page.get_by_label("Search").press("Enter")
        assert "Nothing is known of" in page.inner_text("main")


def test_on_paper_there_is_what_was_asked_for_and_nothing_to_click(page: Page) -> None:
    opened(page, "/payments?status=failed")
    page.emulate_media(media="print")
    for hidden in (".menu", ".time", ".search", ".filters", ".pager"):
        assert not page.locator(hidden).first.is_visible(), hidden
    assert page.locator("tbody tr").first.is_visible()
    assert (
        page.evaluate("getComputedStyle(document.querySelector('.table')).overflowX") == "visible"
    )
    # What is wider than a sheet is cut off there.
    page.set_viewport_size({"width": A4_PX, "height": 800})
    assert page.evaluate(RIGHTMOST) <= A4_PX
    opened(page, "/revenue/net")
    assert page.locator(".chart-figures td").first.is_visible()


def first_load_bytes(page: Page, path: str) -> int:
    """How many bytes come over the line until a page stands."""
    asked: list[Request] = []
    page.on("requestfinished", lambda request: asked.append(request))  # noqa: PLW0108 -- no built-in
    page.goto(path, wait_until="load")
    page.wait_for_function("document.readyState === 'complete'")
    # The stream of what moves has no end.
    return sum(one.sizes()["responseBodySize"] for one in asked if "/live" not in one.url)


@pytest.mark.parametrize("path", ["/", "/subscriptions", "/revenue/mrr"])
def test_the_first_load_is_light(path: str, browser: Browser, shop: Served) -> None:
    with looking(browser, shop.url) as page:
        assert 0 < first_load_bytes(page, path) < FIRST_LOAD_BYTES_MAX
