"""The pages of one thing in a browser: its history by a slider, its reasons, its webhooks."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from projections.read_models.catalogue import LISTINGS
from tests.support.browser import axe, looking
from tests.support.hostile import MARK, attack
from tests.support.http_server import copied, served
from tests.support.keys import bearer, made

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.support.http_server import Served

OWN = "a-key-of-thirty-two-characters-0"
SLIDER = ".walk-range"


@pytest.fixture(scope="module")
def eventful(shop: Served) -> dict[str, Any]:
    """The subscription to which most has happened, and to which something was done."""
    every = shop.get("/v1/subscriptions", limit=100)["items"]
    found: dict[str, Any] = max(
        every, key=lambda one: (len(timeline(shop, one["subscription_id"])), one["subscription_id"])
    )
    return found


def timeline(shop: Served, subscription_id: str, **past: str) -> list[dict[str, Any]]:
    path = f"/v1/subscriptions/{subscription_id}/timeline"
    found: list[dict[str, Any]] = shop.get(path, limit=30, order="desc", **past)["items"]
    return found


def as_of(page: Page) -> str | None:
    """The time that the page's address asks for."""
    return parse_qs(urlsplit(page.url).query).get("as_of", [None])[0]


def instants(shop: Served, subscription_id: str) -> list[str]:
    return sorted({one["occurred_at"] for one in timeline(shop, subscription_id)})


def test_the_slider_walks_through_a_history_by_the_keyboard(
    page: Page, shop: Served, eventful: dict[str, Any]
) -> None:
    id_ = eventful["subscription_id"]
    page.goto(f"/subscriptions/{id_}")
    page.focus(SLIDER)
    then = instants(shop, id_)
    for instant in then[:-4:-1]:
        page.keyboard.press("ArrowLeft")
        page.wait_for_url(re.compile(f"as_of={re.escape(quote(instant, safe=''))}"))
        was = shop.get(f"/v1/subscriptions/{id_}", as_of=instant)
        assert page.locator("h1 .chip").inner_text() == was["status"].replace("_", " ")
        assert page.evaluate("document.activeElement.className") == "walk-range"
        shown = page.locator(".timeline > li").count()
        assert shown == len(timeline(shop, id_, as_of=instant))
    assert axe(page) == []
    page.keyboard.press("Home")
    page.wait_for_url(re.compile(re.escape(quote(then[0], safe=""))))
    assert page.locator("a[rel=prev]").count() == 0
    page.keyboard.press("End")
    page.wait_for_url(re.compile(f"/subscriptions/{id_}$"))
    assert "the past" not in page.inner_text("main")


def test_the_slider_tells_where_it_stands_and_links_keep_it(
    page: Page, shop: Served, eventful: dict[str, Any]
) -> None:
    id_ = eventful["subscription_id"]
    page.goto(f"/subscriptions/{id_}")
    first = instants(shop, id_)[0]
    page.focus(SLIDER)
    page.keyboard.press("Home")
    page.wait_for_url(re.compile(re.escape(quote(first, safe=""))))
    assert first[:10] in (page.get_attribute(SLIDER, "aria-valuetext") or "") + page.inner_text(
        ".walk-now"
    )
    page.get_by_role("link", name="why status", exact=True).click()
    page.wait_for_url("**/explain/status**")
    assert as_of(page) == first
    page.go_back()
    page.wait_for_url(re.compile(f"/subscriptions/{id_}"))
    assert as_of(page) == first


def test_without_scripts_links_walk_through_the_history(browser: Browser, shop: Served) -> None:
    every = [one["subscription_id"] for one in shop.get("/v1/subscriptions", limit=100)["items"]]
    lives = {id_: instants(shop, id_) for id_ in every}
    # There is a first one, one between, and a last one; all others would be as the one between.
    id_ = min(
        (id_ for id_, life in lives.items() if len(life) >= 3), key=lambda id_: len(lives[id_])
    )
    with looking(browser, shop.url, scripts=False) as page:
        page.goto(f"/subscriptions/{id_}")
        assert not page.is_visible(SLIDER)
        for instant in reversed(lives[id_]):
            page.get_by_role("link", name="Earlier", exact=True).click()
            assert as_of(page) == instant
        assert page.get_by_role("link", name="Earlier", exact=True).count() == 0
        page.get_by_role("link", name="Later", exact=True).click()
        assert as_of(page) == lives[id_][1]
        page.get_by_text("instants", exact=False).click()
        page.get_by_role("link", name="now", exact=True).click()
        assert as_of(page) is None


def test_every_field_says_why(page: Page, shop: Served, eventful: dict[str, Any]) -> None:
    id_ = eventful["subscription_id"]
    page.goto(f"/subscriptions/{id_}")
    fields = {name for name in eventful if name != "product_name"}
    hrefs = page.locator("a.why").evaluate_all("all => all.map((one) => one.getAttribute('href'))")
    assert {href.rpartition("/")[2] for href in hrefs} >= fields - {"drift"}
    for field in ("status", "next_billing_date", "customer_id", "trial_amount"):
        page.goto(f"/subscriptions/{id_}/explain/{field}")
        found = shop.get(f"/v1/subscriptions/{id_}/explain", field=field)
        assert page.locator("h1").count() == 1
        rows = page.locator("tbody tr").count()
        assert rows == len(found["set_by"]) + len(found["passed_over"])
        assert axe(page) == [], field


def test_the_state_machine_and_the_raw_webhook_are_one_click_away(
    page: Page, shop: Served, eventful: dict[str, Any]
) -> None:
    page.goto(f"/subscriptions/{eventful['subscription_id']}")
    assert page.get_by_role("img", name="State machine of a subscription").is_visible()
    page.locator(".timeline .type").first.click()
    page.wait_for_url("**/events/**")
    webhook_id = page.locator("h1 code").inner_text()
    event = shop.get(f"/v1/events/{webhook_id}")
    shown = json.loads(page.locator("pre.body").first.inner_text())
    assert shown == json.loads(event["body"])
    assert event["chained"]["hash"] in page.inner_text("main")
    if event["signature"]["header"]:
        assert event["signature"]["header"] in page.inner_text("main")
    alone = page.get_by_role("link", name="Open the body alone").get_attribute("href")
    body = page.request.get(alone or "")
    assert body.text() == event["body"]
    assert axe(page) == []


def test_the_log_is_walked_from_webhook_to_webhook(page: Page, shop: Served) -> None:
    newest = shop.get("/v1/events", order="desc", limit=3)["items"]
    page.goto("/events")
    listed = page.locator("tbody th code").all_inner_texts()
    assert listed[:3] == [one["webhook_id"] for one in newest]
    page.locator("tbody th a").first.click()
    page.get_by_role("link", name="Position before").click()
    page.wait_for_url(f"**/events/{newest[1]['webhook_id']}")
    assert page.get_by_role("link", name="Position after").is_visible()
    page.goto(f"/events?type={newest[0]['type']}")
    assert axe(page) == []
    assert set(page.locator("tbody td:nth-child(2)").all_inner_texts()) == {newest[0]["type"]}


def test_a_customer_is_told_on_one_page(page: Page, shop: Served) -> None:
    customers = shop.get("/v1/customers", limit=100)["items"]
    customer = max(customers, key=lambda one: (one["payments"], one["customer_id"]))
    state = shop.get(f"/v1/customers/{customer['customer_id']}/state")
    page.goto(f"/customers/{customer['customer_id']}")
    told = page.inner_text("main")
    assert customer["email"] in told
    assert state["access"]["reason"]["text"] in told
    for product in state["products"]:
        assert product["reason"]["text"] in told
    assert page.locator("figure.lifelines").is_visible()
    with page.expect_download() as kept:
        page.get_by_role("link", name="Download the evidence").click()
    lines = kept.value.path().read_text("utf-8").splitlines()
    assert kept.value.suggested_filename == f"{customer['customer_id']}.jsonl"
    log = shop.get(f"/v1/customers/{customer['customer_id']}/timeline", limit=100)["items"]
    assert {one["webhook_id"] for one in log} <= {json.loads(line)["webhook_id"] for line in lines}
    assert {json.loads(line)["signature_verified"] for line in lines} <= {True, None}


@pytest.mark.parametrize(
    ("width", "scheme", "rules"),
    # In the dark nothing else is another. Each of these pages is seen wide and light elsewhere.
    [(360, "light", ()), (1280, "dark", ("color-contrast",))],
)
def test_what_belongs_to_a_thing_is_for_everybody(
    width: int,
    scheme: Literal["light", "dark"],
    rules: tuple[str, ...],
    browser: Browser,
    shop: Served,
    eventful: dict[str, Any],
) -> None:
    id_ = eventful["subscription_id"]
    customer_id = eventful["customer_id"]
    event = timeline(shop, id_)[0]["webhook_id"]
    first = quote(instants(shop, id_)[0], safe="")
    with looking(browser, shop.url, width=width, scheme=scheme, again=True) as page:
        for path in (
            f"/subscriptions/{id_}",
            f"/subscriptions/{id_}?as_of={first}",
            f"/subscriptions/{id_}/explain/status",
            f"/customers/{customer_id}",
            f"/customers/{customer_id}/erase",
            f"/events/{event}",
        ):
            page.goto(path)
            assert axe(page, *rules) == [], path
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_a_customer_is_erased_by_who_types_its_id_and_says_why(
    browser: Browser, cluster: str, lived: str
) -> None:
    with copied(cluster, lived) as conninfo, served(conninfo) as server:
        customer = server.get("/v1/customers")["items"][0]
        path = f"/customers/{customer['customer_id']}"
        with looking(browser, server.url) as page:
            page.goto(path)
            page.get_by_role("link", name="Erase personal data").click()
            page.get_by_label("Reason").fill("asked for by letter")
            page.get_by_label("The customer's id").fill("somebody else")
            page.get_by_role("button", name="Erase").click()
            assert (
                "What you typed must be the customer's id" in page.get_by_role("alert").inner_text()
            )
            assert axe(page) == []
            assert page.input_value("#reason") == "asked for by letter"
            assert server.get(f"/v1{path}")["email"] == customer["email"]
            page.get_by_label("The customer's id").fill(customer["customer_id"])
            page.get_by_role("button", name="Erase").click()
            page.wait_for_url(f"**{path}?min_position=*")
            assert customer["email"] not in page.content()
            (erasure,) = server.get("/v1/erasures")["items"]
            assert erasure["reason"] == "asked for by letter"
            assert server.get(f"/v1{path}")["email"] is None
            page.get_by_role("link", name="the erasure").click()
            assert erasure["webhook_id"] in page.inner_text("h1")


def test_who_may_not_see_names_sees_none_and_gets_no_evidence(
    browser: Browser, cluster: str, lived: str
) -> None:
    with copied(cluster, lived) as conninfo:
        key = made(conninfo, "reads", "read")
        with served(conninfo, api_key=OWN) as server, looking(browser, server.url) as page:
            customer = server.client.get("/v1/customers", headers=bearer(OWN)).json()["items"][0]
            page.goto("/customers")
            page.get_by_label("API key").fill(key)
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url("**/customers")
            path = f"/customers/{customer['customer_id']}"
            page.goto(path)
            assert customer["email"] not in page.content()
            assert "withheld" in page.inner_text("main")
            assert page.get_by_role("link", name="Download the evidence").count() == 0
            assert page.get_by_role("link", name="Erase personal data").count() == 0
            assert axe(page) == []
            for beyond in (f"{path}/evidence", f"{path}/erase"):
                response = page.goto(beyond)
                assert response is not None
                assert response.status == 403, beyond


def test_no_reason_and_no_webhook_runs_what_a_buyer_typed(
    browser: Browser, cluster: str, template: str
) -> None:
    with copied(cluster, template) as conninfo, served(conninfo) as server:
        attack(server)
        seen = 0
        with looking(browser, server.url) as page:
            for resource in ("subscriptions", "disputes", "credits"):
                listing = LISTINGS[resource]
                item = server.get(f"/v1/{resource}", limit=1)["items"][0]
                path = f"/{resource}/{quote(item[listing.id_field], safe='')}"
                for field in listing.entity.__struct_fields__:
                    response = page.goto(f"{path}/explain/{field}")
                    assert response is not None
                    assert response.status == 200, field
                    # At once: a locator would load a program of its own into each page.
                    ran, text = page.evaluate(
                        f"[window.{MARK}, document.querySelector('main').innerText]"
                    )
                    assert ran is None, field
                    seen += MARK in text
                page.goto(path)
                if page.is_visible(SLIDER):
                    page.focus(SLIDER)
                    page.keyboard.press("Home")
                    page.wait_for_url("**as_of**")
                    assert page.evaluate(f"window.{MARK}") is None
        assert seen
