"""The pages of one thing over HTTP: what they say, to whom, and of which time."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from api.resources import evidence
from cli.commands.audit import audit
from cli.settings import Settings
from console.pages.history import ENTRIES_MAX
from projections.read_models.catalogue import LISTINGS
from tests.support.console import page_of, signed_in, token_in
from tests.support.histories import delivery, said
from tests.support.http_server import SECRET, served
from tests.support.keys import client_with, made
from tests.support.projected import project, record

if TYPE_CHECKING:
    from pathlib import Path

    from domain.delivery import Delivery
    from tests.support.http_server import Served

OWN = "a-key-of-thirty-two-characters-0"
BUYER = {"customer_id": "cus_1", "email": "jane@example.com", "name": "Jane Doe"}
SUBSCRIBED = {"subscription_id": "sub_1", "customer": BUYER}
BEGUN = said("subscription.active", 0, "msg_1", **SUBSCRIBED)
PAUSED = said("subscription.paused", 5, "msg_2", **SUBSCRIBED)
REFUSED = said("subscription.renewed", 9, "msg_3", **SUBSCRIBED)


def html_of(server: Served, address: str) -> str:
    """The page, as it is read."""
    return unescape(page_of(server, address))


def delivered(server: Served, *deliveries: Delivery) -> str:
    """Deliver them, and return the last one's position."""
    return [server.deliver(one.body, one.webhook_id) for one in deliveries][-1]


@pytest.mark.parametrize("resource", LISTINGS)
def test_a_thing_of_any_kind_tells_why_each_of_its_fields_is_so(
    resource: str, shop: Served
) -> None:
    listing = LISTINGS[resource]
    thing = shop.get(f"/v1/{resource}", limit=1)["items"][0]
    path = f"/{resource}/{quote(thing[listing.id_field], safe='')}"
    page = html_of(shop, path)
    assert "The way that it has gone" in page
    fields = set(listing.entity.__struct_fields__) - {"drift"}
    explained = set(re.findall(r'class="why" href="[^"]*/explain/(\w+)"', page))
    assert fields <= explained
    for field in [*sorted(fields)[:3], "status", "drift"]:
        assert "What sets it" in html_of(shop, f"{path}/explain/{field}"), field
    answer = shop.client.get(f"{path}/explain/nothing_such")
    assert answer.status_code == 404


def test_a_thing_tells_how_sure_it_is(database: str) -> None:
    sent = [
        BEGUN,
        said("subscription.past_due", 5, "msg_seen", **SUBSCRIBED, status="paused"),
        said("subscription.unpaused", 6, "msg_refused", **SUBSCRIBED),
        said("dispute.won", 6, "msg_won", dispute_id="dp_1"),
        said("payment.succeeded", 7, "msg_paid", payment_id="pay_1", status="succeeded"),
    ]
    record(database, sent)
    project(database)
    with served(database) as server:
        doubted = html_of(server, "/subscriptions/sub_1")
        assert "Dodo last said paused, while its webhooks lead to past_due" in doubted
        assert "1 fact is no valid transition" in doubted
        assert 'class="chip good">sure' not in doubted
        gap = html_of(server, "/disputes/dp_1")
        assert "a webhook that must have come before was never seen" in gap
        assert 'class="chip good">sure' in html_of(server, "/payments/pay_1")


def test_a_page_shows_so_many_facts_however_long_a_life_is(database: str) -> None:
    sent = [said("subscription.active", 0, "msg_0", subscription_id="sub_1")]
    sent += [
        said("subscription.renewed", minute, f"msg_{minute}", subscription_id="sub_1")
        for minute in range(1, 2 * ENTRIES_MAX + 1)
    ]
    record(database, sent)
    project(database)
    with served(database) as server:
        page = html_of(server, "/subscriptions/sub_1")
        assert page.count('<li class="applied">') + page.count('<li class="unchanged">') == (
            ENTRIES_MAX
        )
        assert page.count('<li><a href="/subscriptions/sub_1') <= ENTRIES_MAX + 1
        older = re.search(r'rel="next" href="([^"]+cursor[^"]+)"', page)
        assert older is not None
        assert "msg_1" not in page.split("Timeline")[1].split('msg_10"')[0]
        assert f"msg_{ENTRIES_MAX}" in html_of(server, older[1])


def test_the_walk_goes_forward_from_the_past_by_what_was_known(shop: Served) -> None:
    one = shop.get("/v1/subscriptions", limit=100)["items"][-1]
    path = f"/subscriptions/{one['subscription_id']}"
    lines = shop.get(f"/v1{path}/timeline", limit=100)["items"]
    first = lines[0]["occurred_at"]
    page = html_of(shop, f"{path}?as_of={quote(first, safe='')}")
    assert "You are looking at the past" in page
    assert 'rel="prev"' not in page
    later = re.search(r'rel="next" href="([^"]+)">Later', page)
    assert later is not None
    assert "You are looking at the past" in html_of(shop, later[1])


def test_an_event_tells_what_it_did_and_where_it_stands(database: str) -> None:
    with served(database) as server:
        position = delivered(server, BEGUN, PAUSED)
        server.get("/v1/refusals", min_position=position)
        page = html_of(server, "/events/msg_2")
        event = server.get("/v1/events/msg_2")
        assert 'class="chip good">verified' in page
        assert event["chained"]["previous_hash"] in page
        assert f"raphus verify --against 2:{event['chained']['hash']}" in page
        assert [one["verdict"] for one in event["facts"]] == ["applied"]
        assert "paused" in page
        alone = server.client.get("/events/msg_2/bodies/2")
        assert alone.content == PAUSED.body
        assert alone.headers["content-type"].startswith("application/json")
        assert "default-src 'none'" in alone.headers["content-security-policy"]
        assert server.client.get("/events/msg_2/bodies/1").status_code == 404


@pytest.mark.parametrize("resource", ["credits", "dunnings"])
def test_an_event_leads_to_what_has_several_names(resource: str, shop: Served) -> None:
    """A credit is named by two ids, and a dunning by its subscription and an instant."""
    thing = shop.get(f"/v1/{resource}", limit=1)["items"][0]
    (fact, *_) = shop.get(f"/v1/{resource}/{quote(thing['id'], safe='')}/timeline")["items"]
    path = f"/{resource}/{quote(thing['id'], safe='')}"
    assert f'href="{path}"' in html_of(shop, f"/events/{quote(fact['webhook_id'], safe='')}")
    listed = html_of(shop, f"/events?type={fact['type']}")
    named = {"credits": path, "dunnings": f"/dunnings?subscription_id={thing['id'].split('/')[0]}"}
    assert f'href="{named[resource]}"' in listed
    assert html_of(shop, named[resource])


def test_what_was_not_there_yet_leads_to_what_is_there_now(database: str) -> None:
    with served(database) as server:
        position = server.deliver(BEGUN.body, "msg_1")
        assert server.get("/v1/subscriptions/sub_1", min_position=position)
        answer = server.client.get("/subscriptions/sub_1?as_of=2020-01-01T00:00:00Z")
        assert answer.status_code == 404
        assert "may not have been there" in answer.text
        assert '<a class="button" href="/subscriptions/sub_1">Show it as it is now</a>' in (
            answer.text
        )


def test_refusals_are_listed_with_why(database: str) -> None:
    with served(database) as server:
        assert "Nothing was refused" in html_of(server, "/refusals")
        position = delivered(server, BEGUN, PAUSED, REFUSED)
        (refusal,) = server.get("/v1/refusals", min_position=position)["items"]
        page = html_of(server, "/refusals")
        assert refusal["reason"] in page
        assert "/events/msg_3" in page


def test_the_evidence_is_what_the_command_writes(lived: str, shop: Served, tmp_path: Path) -> None:
    customer_id = shop.get("/v1/customers", limit=1)["items"][0]["customer_id"]
    answer = shop.client.get(f"/customers/{customer_id}/evidence")
    settings = Settings(home=tmp_path, database_url=lived, webhook_keys=(SECRET,))
    assert answer.content == b"".join(audit(settings, customer_id))
    assert answer.headers["content-disposition"].endswith(f"''{customer_id}.jsonl")
    assert shop.client.get("/customers/cus_nobody/evidence").status_code == 404


def test_no_more_evidence_is_read_at_once_than_there_is_room_for(shop: Served) -> None:
    customer_id = shop.get("/v1/customers", limit=1)["items"][0]["customer_id"]
    for _ in range(evidence.AT_ONCE_MAX):
        assert evidence._room.acquire(blocking=False)
    try:
        assert shop.client.get(f"/customers/{customer_id}/evidence").status_code == 503
    finally:
        for _ in range(evidence.AT_ONCE_MAX):
            evidence._room.release()
    for _ in range(2 * evidence.AT_ONCE_MAX):
        assert shop.client.get(f"/customers/{customer_id}/evidence").status_code == 200


def test_the_evidence_of_a_bound_key_is_of_its_business_alone(database: str) -> None:
    both: list[Delivery] = []
    for business in ("bus_1", "bus_2"):
        paid = said("payment.succeeded", payment_id=f"pay_{business}", customer=BUYER)
        body = json.loads(paid.body) | {"business_id": business}
        both.append(delivery(body, f"msg_{business}"))
    key = made(database, "bound", "personal", business_id="bus_1")
    with served(database, api_key=OWN) as server:
        position = delivered(server, *both)
        with client_with(OWN, server.url) as owner, client_with(key, server.url) as bound:
            owner.get("/v1/payments", params={"min_position": position})
            found = {
                name: [
                    json.loads(line)["webhook_id"]
                    for line in client.get("/customers/cus_1/evidence").text.splitlines()
                ]
                for name, client in (("owner", owner), ("bound", bound))
            }
    assert found == {"owner": ["msg_bus_1", "msg_bus_2"], "bound": ["msg_bus_1"]}


def test_who_sees_no_names_is_told_that_they_are_withheld(lived: str) -> None:
    key = made(lived, "reads_only", "read")
    with served(lived, api_key=OWN) as server, client_with(OWN, server.url) as owner:
        customer = owner.get("/v1/customers").json()["items"][0]
        event = owner.get("/v1/events", params={"type": "payment.succeeded"}).json()["items"][0]
        payment = owner.get("/v1/payments").json()["items"][0]["payment_id"]
        with signed_in(server, key) as client:
            for path in (
                f"/customers/{customer['customer_id']}",
                f"/events/{event['webhook_id']}",
                f"/payments/{payment}/explain/metadata",
                f"/payments/{payment}",
            ):
                page = client.get(path)
                assert page.status_code == 200, path
                assert "withheld" in page.text, path
                assert "@example" not in page.text, path
            for beyond in (
                f"/customers/{customer['customer_id']}/evidence",
                f"/customers/{customer['customer_id']}/erase",
                f"/events/{event['webhook_id']}/bodies/{event['position']}",
            ):
                assert client.get(beyond).status_code == 403, beyond


def test_a_form_without_the_sessions_token_erases_nothing(database: str) -> None:
    with served(database) as server:
        position = server.deliver(BEGUN.body, "msg_1")
        assert server.get("/v1/customers", min_position=position)["items"]
        path = "/customers/cus_1/erase"
        form = {"reason": "asked for", "confirmed": "cus_1"}
        assert server.client.post(path, data=form).status_code == 403
        assert server.get("/v1/erasures")["items"] == []
        token = token_in(html_of(server, path))
        assert server.client.post(path, data={**form, "csrf_token": token}).status_code == 303
        assert len(server.get("/v1/erasures")["items"]) == 1
        page = html_of(server, "/events/msg_1")
        assert "Emptied of what identified a person" in page
        assert "not checked" in page


@pytest.mark.parametrize(
    ("form", "complaints"),
    [
        ({"reason": "asked for"}, ["What you typed must be the customer's id"]),
        (
            {"reason": "asked for", "confirmed": "cus_2"},
            ["What you typed must be the customer's id"],
        ),
        ({"confirmed": "cus_1"}, ["Reason must say why"]),
        (
            {"confirmed": "cus_1", "reason": "r" * 2_000, "requested_by": "w" * 2_000},
            ["Reason must be 1 to", "Requested by must be 1 to"],
        ),
    ],
)
def test_a_field_of_an_action_that_cannot_be_read_leads_back_to_its_form(
    form: dict[str, str], complaints: list[str], lived: str
) -> None:
    with served(lived) as server:
        path = "/customers/cus_1/erase"
        answer = server.client.post(
            path, data={**form, "csrf_token": token_in(html_of(server, path))}
        )
        html = unescape(answer.text)
        assert answer.status_code == 400
        assert "Nothing was changed" in html
        assert html.count('aria-invalid="true"') == len(complaints)
        for told in complaints:
            assert re.search(rf'<p class="complaint" id="e-\w+">{told}', html)
        for name, text in form.items():
            assert re.search(rf'name="{name}"[^>]* value="{text}"', html)
        assert server.get("/v1/erasures")["items"] == []


def test_the_log_is_filtered_and_paged_by_its_address(shop: Served) -> None:
    page = html_of(shop, "/events?type=payment.succeeded&before=200")
    found = shop.get("/v1/events", type="payment.succeeded", before=200, order="desc")["items"]
    shown = re.findall(r'<th scope="row"><a href="/events/([^"]+)"', page)
    assert shown == [one["webhook_id"] for one in found][: len(shown)]
    assert shown
    older = re.search(r'rel="next" href="([^"]+)"', html_of(shop, "/events"))
    assert older is not None
    assert "Newest" in html_of(shop, older[1])
    assert "Nothing meets these filters" in html_of(shop, "/events?type=nothing.such")
