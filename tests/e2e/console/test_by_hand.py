"""What a person does on pages: by the keyboard, with filters, through time, with a key."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import pytest

from tests.support.browser import axe, looking
from tests.support.http_server import copied, served
from tests.support.keys import made

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from tests.support.http_server import Served

OWN = "a-key-of-thirty-two-characters-0"


@pytest.fixture(scope="module")
def locked(cluster: str, lived: str) -> Iterator[tuple[Served, str, str]]:
    """Serve a merchant's life to who has a key: one that reads, one that sees names, too."""
    with copied(cluster, lived) as conninfo:
        reads, sees = made(conninfo, "reads", "read"), made(conninfo, "sees", "personal")
        with served(conninfo, api_key=OWN) as running:
            yield running, reads, sees


def test_a_slash_leads_to_the_search_from_everywhere_but_a_field(page: Page) -> None:
    page.goto("/payments")
    page.keyboard.press("/")
    focused = "document.activeElement.id"
    assert page.evaluate(focused) == "q"
    page.keyboard.type("a/b")
    assert page.input_value("#q") == "a/b"
    page.get_by_text("Filter", exact=True).click()
    page.focus("#f-status")
    page.keyboard.type("a/b")
    assert page.evaluate(focused) == "f-status"
    assert page.input_value("#f-status") == "a/b"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_field_that_cannot_be_read_is_led_to_and_said_to_who_does_not_see_it(
    browser: Browser, shop: Served, scheme: Literal["light", "dark"]
) -> None:
    with looking(browser, shop.url, scheme=scheme, again=True) as page:
        page.goto("/payments?created_at_gte=yesterday&as_of=noon")
        focused = page.locator(":focus")
        assert (focused.get_attribute("id"), focused.input_value()) == ("as_of", "noon")
        field = page.get_by_label("created from")
        assert field.get_attribute("aria-invalid") == "true"
        told = page.locator(f"#{(field.get_attribute('aria-describedby') or '').split()[0]}")
        assert told.inner_text().startswith("Created from must be a time in UTC")
        assert axe(page) == []
        field.fill("2026-05-01")
        field.press("Enter")
        page.wait_for_url("**created_at_gte=2026-05-01T00*")
        assert page.get_by_role("alert").count() == 0


def test_the_search_goes_straight_to_what_is_found(page: Page, shop: Served) -> None:
    payment_id = shop.get("/v1/payments")["items"][3]["payment_id"]
    page.goto("/")
    page.keyboard.press("/")
    page.keyboard.type(payment_id)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/payments/{payment_id}")
    assert payment_id in page.inner_text("h1")


def test_the_keyboard_alone_reaches_content_menu_and_time(page: Page) -> None:
    page.goto("/payments")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.locator("details.time summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "as_of"
    page.keyboard.press("Escape")
    assert page.evaluate("document.querySelector('details.time').open") is False
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_what_has_the_focus_can_be_seen(page: Page) -> None:
    page.goto("/payments")
    for _ in range(6):
        page.keyboard.press("Tab")
        width = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
        assert width == "3px"


def test_filters_stand_in_the_address_and_in_the_form(page: Page, shop: Served) -> None:
    page.goto("/payments")
    page.get_by_text("Filter", exact=True).click()
    page.get_by_label("status").fill("failed")
    page.get_by_role("button", name="Show").last.click()
    page.wait_for_url("**/payments?status=failed")
    found = shop.get("/v1/payments", status="failed")["items"]
    assert page.locator("tbody tr").count() == len(found) > 0
    assert page.input_value("#f-status") == "failed"
    assert set(page.locator("tbody .chip.bad").all_inner_texts()) == {"failed"}
    page.get_by_role("link", name="All", exact=True).click()
    page.wait_for_url(re.compile("/payments$"))


def test_the_time_that_is_set_goes_along_until_it_is_now_again(page: Page, shop: Served) -> None:
    page.goto("/subscriptions?status=active")
    page.locator("details.time summary").click()
    page.fill("#as_of", "2026-05-01T12:30:00")
    page.locator("details.time button").click()
    page.wait_for_url("**/subscriptions?status=active&as_of=2026-05-01T12%3A30%3A00Z")
    then = shop.get("/v1/subscriptions", status="active", as_of="2026-05-01T12:30:00Z")["items"]
    assert page.locator("tbody tr").count() == len(then)
    assert "You are looking at the past" in page.inner_text("main")
    assert axe(page) == []
    page.get_by_role("link", name="Payments").click()
    page.wait_for_url("**/payments?as_of=2026-05-01T12%3A30%3A00Z")
    page.keyboard.press("/")
    page.keyboard.type("nothing")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search?q=nothing&as_of=2026-05-01T12%3A30%3A00Z")
    page.get_by_role("link", name="Back to now").first.click()
    page.wait_for_url("**/search?q=nothing")
    assert "the past" not in page.inner_text("main")


def test_a_link_of_another_site_opens_the_page_in_the_session(
    browser: Browser, locked: tuple[Served, str, str]
) -> None:
    server, reads, _ = locked
    context = browser.new_context(base_url=server.url)
    page = context.new_page()
    signed_in(page, reads)
    link = f'<a href="{server.url}/disputes?open=true">look</a>'
    context.route(
        "http://elsewhere.test/", lambda route: route.fulfill(body=link, content_type="text/html")
    )
    page.goto("http://elsewhere.test/")
    page.get_by_text("look").click()
    page.get_by_role("heading", name="Disputes").wait_for()
    assert page.url == f"{server.url}/disputes?open=true"
    context.close()


def signed_in(page: Page, key: str) -> None:
    """Give a key at the door."""
    page.goto("/customers")
    page.wait_for_url("**/sign-in?to=%2Fcustomers")
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/customers")


def test_two_sessions_see_what_their_keys_may(
    browser: Browser, locked: tuple[Served, str, str]
) -> None:
    server, reads, sees = locked
    with looking(browser, server.url) as one, looking(browser, server.url) as other:
        signed_in(one, reads)
        signed_in(other, sees)
        assert "@" not in one.inner_text("main")
        assert "What names a person is withheld" in one.inner_text("main")
        assert "@example" in other.inner_text("main")
        assert axe(one) == []
        one.get_by_role("button", name="Sign out").click()
        one.wait_for_url("**/sign-in")
        assert axe(one) == []
        one.goto("/customers")
        assert one.url.endswith("/sign-in?to=%2Fcustomers")
        other.reload()
        assert "@example" in other.inner_text("main")


def test_a_wrong_key_is_told_and_can_be_mended(
    browser: Browser, locked: tuple[Served, str, str]
) -> None:
    server, reads, _ = locked
    with looking(browser, server.url) as page:
        page.goto("/sign-in?to=/products")
        page.get_by_label("API key").fill("nobody's")
        page.keyboard.press("Enter")
        page.get_by_role("alert").wait_for()
        assert page.evaluate("document.activeElement.id") == "key"
        assert axe(page) == []
        page.get_by_label("API key").fill(reads)
        page.keyboard.press("Enter")
        page.wait_for_url("**/products")


@pytest.mark.parametrize(
    "html",
    [
        "<script>1</script>",
        "<p style='color: red'>x</p>",
        "<img src='/static/none.png' alt=''>",
        "<img src='http://192.0.2.1/x.png' alt=''>",
        "<script src='/static/raphus.js?x'></script><script src='/bad.js'></script>",
    ],
)
def test_a_window_fails_its_test_for_what_a_page_complains_of(
    html: str, browser: Browser, shop: Served
) -> None:
    policy = shop.client.get("/").headers["content-security-policy"]
    headers = {"content-security-policy": policy, "content-type": "text/html"}
    with pytest.raises(AssertionError, match="complains"):
        look_at(browser, shop.url, html, headers)


def look_at(browser: Browser, url: str, html: str, headers: dict[str, str]) -> None:
    """Look at a page that is made up."""
    with looking(browser, url, again=True) as page:
        page.route("**/bad", lambda route: route.fulfill(body=html, headers=headers))
        page.route("**/bad.js", lambda route: route.fulfill(body="throw new Error('x')"))
        page.goto("/bad", wait_until="networkidle")
