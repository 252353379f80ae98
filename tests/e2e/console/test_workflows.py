"""Workflows in a real browser: routes, parked jobs to retry, and a replay after a look at it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import psycopg
import pytest

from api.queries.read_side import Rules
from tests.support.browser import axe, looking, sign_in
from tests.support.console import signed_in
from tests.support.http_server import copied, served
from tests.support.keys import made
from tests.support.windmill import outbox, write_routes
from workflows.outbox.follower import begin
from workflows.routes.routes_file import RoutesFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from tests.support.http_server import Served

KEY: Final = "a-key-of-thirty-two-characters-0"
OFF: Final = """
[[route]]
name = "resting"
on = ["refund.*"]
script = "f/shop/refund"
enabled = false
where = { currency = "USD" }
"""


class Shop(NamedTuple):
    """A server, and where its database is."""

    server: Served
    conninfo: str


@pytest.fixture
def shop(cluster: str, lived: str, tmp_path: Path) -> Iterator[Shop]:
    """Serve a merchant with a route for disputes, whose jobs nobody starts."""
    routes = write_routes(tmp_path, name="disputes", on="dispute.*", more=OFF)
    with copied(cluster, lived) as conninfo:
        begin(conninfo)
        rules = Rules(RoutesFile(routes, required=True))
        with served(conninfo, api_key=KEY, rules=rules) as server:
            yield Shop(server, conninfo)


def test_the_past_is_replayed_after_a_look_at_what_would_start(
    browser: Browser, shop: Shop
) -> None:
    server, conninfo = shop
    with looking(browser, server.url) as page:
        sign_in(page, KEY, "/routes")
        assert "switched off" in page.inner_text("main")
        assert 'currency = "USD"' in page.inner_text("main")
        assert axe(page) == []
        page.get_by_role("link", name="Replay… for disputes").click()
        assert axe(page) == []
        assert outbox(conninfo) == []  # a look changes nothing
        number = int(page.locator(".figure").inner_text())
        assert number > 0
        page.get_by_role("button", name=f"Send {number} job").focus()
        page.keyboard.press("Enter")
        page.get_by_text("to be sent").wait_for()
        assert len(outbox(conninfo)) == number
        assert axe(page) == []


def test_what_is_parked_is_retried_after_a_look_at_it(browser: Browser, shop: Shop) -> None:
    server, conninfo = shop
    with looking(browser, server.url) as page:
        sign_in(page, KEY, "/routes/replay")
        page.get_by_label("route").select_option("disputes")
        page.get_by_role("button", name="What would be sent?").click()
        page.get_by_role("button", name="Send 3 jobs").click()
        page.get_by_text("to be sent").wait_for()
        with psycopg.connect(conninfo) as conn:
            conn.execute(
                "UPDATE raphus.windmill_outbox SET state = 'parked', attempts = 1,"
                " problem = '<script>alert(1)</script>'"
            )
            conn.execute(
                "INSERT INTO raphus.windmill_attempts SELECT job_id, 1, now(), 7, 500,"
                " '<b>no</b>' FROM raphus.windmill_outbox"
            )
        page.goto("/routes")
        page.get_by_role("link", name="Retry parked jobs… of disputes").click()
        assert "<script>alert(1)</script>" in page.inner_text("main")
        assert axe(page) == []
        page.set_viewport_size({"width": 360, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page.get_by_role("button", name="again").click()
        page.get_by_text("to be sent").wait_for()
        states = [state for (state,) in outbox(conninfo, "state")]
        assert set(states) == {"waiting"}
        page.get_by_role("link", name="1 attempts of").first.click()
        assert "<b>no</b>" in page.inner_text("main")
        assert axe(page) == []


def test_who_may_only_read_sees_jobs_and_can_change_nothing(browser: Browser, shop: Shop) -> None:
    server, conninfo = shop
    key = made(conninfo, "reader", "read")
    with looking(browser, server.url) as page:
        sign_in(page, key, "/routes")
        assert page.get_by_role("link", name="Replay").count() == 0
        for path in ("/routes/replay", "/routes/retry?route=disputes"):
            response = page.goto(path)
            assert response is not None
            assert response.status == 403


def test_a_form_of_no_session_changes_nothing(shop: Shop) -> None:
    server, conninfo = shop
    with signed_in(server, KEY) as client:
        for path in ("/routes/replay", "/routes/retry"):
            answer = client.post(path, data={"route": "disputes", "csrf_token": "0" * 64})
            assert answer.status_code == 403
    assert outbox(conninfo) == []
