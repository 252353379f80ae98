"""The page about the server in a real browser: upkeep begun, watched and cancelled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from projections.upkeep import jobs
from projections.upkeep.work import VERIFY
from tests.support.browser import axe, looking, sign_in
from tests.support.http_server import copied, served
from tests.support.keys import made
from tests.support.tampered import changed, tamper
from tests.support.upkeep import forked, under_way

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

KEY: Final = "a-key-of-thirty-two-characters-0"


@pytest.fixture(scope="module", autouse=True)
def loaded() -> Iterator[None]:
    """Load the program once for all upkeep."""
    with forked():
        yield


@pytest.fixture
def own_shop(cluster: str, lived: str) -> Iterator[tuple[str, str]]:
    """Serve a merchant's life of the test's own; give URL and place."""
    with copied(cluster, lived) as conninfo, served(conninfo, api_key=KEY) as server:
        yield server.url, conninfo


def test_read_models_are_checked_and_rebuilt_and_the_page_follows(
    browser: Browser, own_shop: tuple[str, str]
) -> None:
    url, conninfo = own_shop
    made(conninfo, "ada", "personal", "admin")
    with psycopg.connect(conninfo) as conn:
        conn.execute("UPDATE raphus.payments SET currency = 'XXX'")
    with looking(browser, url) as page:
        sign_in(page, KEY, "/health")
        page.get_by_role("button", name="Check the read models").focus()
        page.keyboard.press("Enter")
        # Nothing is loaded again by hand from here on.
        differs = page.get_by_role("region", name="What differs")
        differs.wait_for()
        assert "payments" in differs.inner_text()
        assert axe(page) == []
        page.get_by_role("button", name="Rebuild the read models").click()
        page.get_by_role("region", name="What differed").wait_for()
        page.get_by_text("rebuilt since").wait_for()
        assert page.get_by_text("read models were found to differ").count() == 0
        assert axe(page) == []


def test_a_log_that_was_tampered_with_is_shown_where_it_breaks(
    browser: Browser, own_shop: tuple[str, str]
) -> None:
    url, conninfo = own_shop
    tamper(conninfo, changed("webhook_id = 'msg_forged'", position=5))
    for scripts in (True, False):
        with looking(browser, url, scripts=scripts, scheme="dark") as page:
            sign_in(page, KEY, "/health")
            page.get_by_role("button", name="Verify the log").click()
            while page.get_by_text("at position 5:").count() == 0:
                page.wait_for_timeout(200)
                if not scripts:
                    page.goto("/health")
            if scripts:
                assert axe(page) == []


def test_a_server_that_is_not_ready_has_the_edge_of_what_is_wrong(
    browser: Browser, own_shop: tuple[str, str]
) -> None:
    url, conninfo = own_shop
    with psycopg.connect(conninfo) as conn:
        conn.execute("DELETE FROM raphus.ledger_events WHERE notification_id > 3")
    with looking(browser, url) as page:
        sign_in(page, KEY, "/health")
        well = page.locator(".well")
        assert well.locator("h2 .chip").inner_text() == "Not ready"
        edge = well.evaluate("(one) => getComputedStyle(one).borderLeftColor")
        chip = well.locator("h2 .chip").evaluate("(one) => getComputedStyle(one).color")
        assert edge == chip
        assert axe(page) == []


def test_progress_moves_by_itself_and_is_cancelled_from_the_page(
    browser: Browser, own_shop: tuple[str, str]
) -> None:
    url, conninfo = own_shop
    with looking(browser, url) as page:
        sign_in(page, KEY, "/health")
        with under_way(conninfo, done=41, total=100) as id_:
            # Begun elsewhere, it shows by itself, and then moves each second.
            page.get_by_text("41 of 100").wait_for()
            assert axe(page) == []
            assert page.get_by_role("button", name="Verify the log").is_disabled()
            with psycopg.connect(conninfo, autocommit=True) as conn:
                assert not jobs.tell(conn, id_, VERIFY, 73, 100)
                page.get_by_text("73 of 100").wait_for()
                page.get_by_role("button", name="Cancel").click()
                page.get_by_text("ends at its next step").wait_for()
                assert jobs.tell(conn, id_, VERIFY, 80, 100)
        # Who did it is gone, without a word.
        page.get_by_text("did not come to its end").first.wait_for()
        assert page.get_by_role("button", name="Verify the log").is_enabled()
