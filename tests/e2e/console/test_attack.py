"""What buyers type runs nowhere, opens nowhere, and is shown as it was typed."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from console.catalogue import PAGES
from tests.support.browser import looking
from tests.support.hostile import MARK, attack
from tests.support.http_server import copied, served
from tests.support.resources import ID_FIELD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from tests.support.http_server import Served

WITHIN = """() => {
    const found = [];
    for (const element of document.querySelectorAll("*")) {
        for (const { name, value } of element.attributes) {
            const leads = ["href", "src", "action", "formaction"].includes(name);
            const isStyle = name === "style" && !element.closest(".chart");
            if (name.startsWith("on") || isStyle) found.push(`${name}=${value}`);
            if (leads && new URL(value, location.href).origin !== location.origin)
                found.push(`${name}=${value}`);
        }
    }
    for (const script of document.scripts) if (script.text) found.push(script.text);
    return found;
}"""
"""What a page must not have: handlers, styles and scripts of its own, addresses of others.

What draws charts sets styles from a script, which the policy allows.
"""


@pytest.fixture(scope="module")
def attacked(cluster: str, template: str) -> Iterator[Served]:
    """Serve a merchant whose buyers type scripts."""
    with copied(cluster, template) as conninfo, served(conninfo) as server:
        attack(server)
        yield server


SEEN = f"""() => ({{
    ran: window.{MARK},
    within: ({WITHIN})(),
    headings: document.querySelectorAll("h1").length,
    text: document.querySelector("main").innerText,
}})"""
"""All that is looked at, at once: a locator would load a program of its own into each page."""


def looked_at(page: Page, path: str) -> str:
    """Open a page, see that nothing has run and nothing could, and return what it says."""
    response = page.goto(path)
    assert response is not None
    assert response.status == 200, path
    seen = page.evaluate(SEEN)
    assert (seen["ran"], seen["within"], seen["headings"]) == (None, [], 1), path
    text: str = seen["text"]
    return text


@pytest.mark.long
def test_no_page_runs_what_a_buyer_typed(browser: Browser, attacked: Served) -> None:
    ids = {**ID_FIELD, "events": "webhook_id"}
    with looking(browser, attacked.url, again=True) as page:
        for path in (page.path for page in PAGES if "{" not in page.path):
            looked_at(page, path)
        seen = 0
        for resource, field in ids.items():
            for item in attacked.get(f"/v1/{resource}", limit=2)["items"]:
                path = f"/{resource}/{quote(item[field], safe='')}"
                text = looked_at(page, f"/search?q={quote(item[field], safe='')}")
                if not page.url.endswith(path):
                    text = looked_at(page, path)
                seen += MARK in text
        assert seen > len(ids)


def test_what_a_list_links_to_is_the_thing_of_this_very_id(
    browser: Browser, attacked: Served
) -> None:
    with looking(browser, attacked.url, again=True) as page:
        for resource in ("customers", "payments", "subscriptions", "disputes"):
            page.goto(f"/{resource}")
            link = page.locator("tbody th a").first
            id_ = link.inner_text()
            link.click()
            page.wait_for_url(f"**/{resource}/*")
            assert id_ in page.inner_text("h1")
            assert page.evaluate(f"window.{MARK}") is None
