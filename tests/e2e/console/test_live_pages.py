"""Pages that keep themselves up to date: soon, without disturbing who reads, and never the past."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.browser import axe, looking, sign_in
from tests.support.histories import said
from tests.support.http_server import copied, served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from tests.support.http_server import Served

SOON_S: Final = 5.0
"""The aim is 200 ms, on a machine that does nothing else."""


@pytest.fixture(scope="module")
def told(cluster: str, lived: str) -> Iterator[Served]:
    """Serve a merchant's life, to which more is told."""
    with copied(cluster, lived) as conninfo, served(conninfo) as running:
        yield running


def live(page: Page, path: str) -> None:
    """Open a page, and wait until it hears."""
    page.goto(path)
    page.locator("#live[data-state=on]").wait_for()


def disputed(told: Served, id_: str, amount: str = "1234") -> str:
    return told.deliver(
        said("dispute.opened", dispute_id=id_, amount=amount, currency="USD").body, f"msg_{id_}"
    )


def test_a_commit_is_on_the_screen_soon(browser: Browser, told: Served) -> None:
    with looking(browser, told.url) as page:
        live(page, "/")
        disputed(told, "dp_soon", "777")
        began = time.monotonic()
        page.get_by_role("link", name="dp_soon").wait_for()
        took_s = time.monotonic() - began
        assert "7.77" in page.inner_text("#now")
        assert axe(page) == []
    assert took_s < SOON_S


def test_a_list_grows_and_who_reads_it_is_not_disturbed(browser: Browser, told: Served) -> None:
    with looking(browser, told.url, width=360) as page:
        live(page, "/disputes")
        first = page.locator("tbody tr").first
        first.get_by_role("link").first.focus()
        focused = page.evaluate("document.activeElement.href")
        page.locator(".filters summary").click()
        page.get_by_role("textbox", name="customer").fill("half a wo")
        page.evaluate("document.activeElement.blur()")
        first.get_by_role("link").first.focus()
        page.evaluate("document.querySelector('.table').scrollLeft = 120")
        disputed(told, "dp_further")
        page.get_by_role("link", name="dp_further").wait_for()
        assert page.locator("tbody tr").first.get_attribute("data-key") == "dp_further"
        assert page.evaluate("document.activeElement.href") == focused
        assert page.evaluate("document.querySelector('.table').scrollLeft") == 120
        assert page.get_by_role("textbox", name="customer").input_value() == "half a wo"


def test_what_does_not_move_with_it_is_not_fetched(browser: Browser, told: Served) -> None:
    with looking(browser, told.url) as page:
        asked: list[str] = []
        live(page, "/products")
        page.on("request", lambda request: asked.append(request.url))
        with page.context.new_page() as other:
            live(other, "/disputes")
            disputed(told, "dp_elsewhere")
            other.get_by_role("link", name="dp_elsewhere").wait_for()
        assert [url for url in asked if url.endswith("/products")] == []


def test_the_past_hears_nothing(browser: Browser, told: Served) -> None:
    with looking(browser, told.url) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        for path in ("/?as_of=2026-10-01T00:00:00Z", "/disputes?as_of=2026-10-01T00:00:00Z"):
            page.goto(path)
            page.wait_for_load_state("load")
            assert page.locator("#live").count() == 0
            assert "You are looking at the past" in page.inner_text("main")
        assert [url for url in asked if url.endswith("/live")] == []


def test_a_tab_says_that_it_does_not_hear_any_more_and_when_it_does_again(
    browser: Browser, cluster: str, lived: str
) -> None:
    with copied(cluster, lived) as conninfo, ExitStack() as stack:
        with served(conninfo) as running:
            page = stack.enter_context(looking(browser, running.url))
            live(page, "/")
            assert page.title() == "Today · Raphus"
        lost = page.locator("#live[data-state=off]")
        lost.wait_for()
        assert lost.inner_text() == "Connection lost: this may be out of date"
        assert page.title().startswith("⚠ Not live")
        assert axe(page, "color-contrast") == []


def test_who_is_signed_out_is_told_and_keeps_what_is_there(
    browser: Browser, cluster: str, lived: str
) -> None:
    key = "a-key-of-thirty-two-characters-0"
    with (
        copied(cluster, lived) as conninfo,
        served(conninfo, api_key=key) as server,
        looking(browser, server.url) as page,
    ):
        sign_in(page, key, "/disputes")
        page.locator("#live[data-state=on]").wait_for()
        rows = page.locator("tbody tr").count()
        page.context.clear_cookies()
        page.evaluate("htmx.trigger(document.getElementById('listing'), 'moved')")
        page.locator("#live[data-state=off]").wait_for()
        assert page.locator("tbody tr").count() == rows
