"""The ways to ask, over real HTTP and on a real database."""

from __future__ import annotations

import base64
import itertools
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from hashlib import sha256
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from domain.delivery import Delivery
from ledger.integrity.hash_chain import Row, link
from ledger.mapper import encode
from projections.read_models.catalogue import LISTINGS
from tests.support.console import fill
from tests.support.http_server import Served, served
from tests.support.rebuilds import execute
from tests.support.samples import Body, sample, samples
from tests.support.waiting import until

if TYPE_CHECKING:
    from tests.support.http_server import CopyOf

KEY = "a-key-of-thirty-two-characters-0"
KINDS = list(LISTINGS)
Query = dict[str, str | int]
ID_FIELD = {resource: listing.id_field for resource, listing in LISTINGS.items()}


@pytest.fixture(scope="module")
def shop(copy_of: CopyOf) -> Iterator[Served]:
    """A server that knows what happened to a small merchant; for tests that only read."""
    with copy_of(fill) as conninfo, served(conninfo) as running:
        yield running


def body_of(type_: str, at: str, **data: Any) -> Body:  # noqa: ANN401 -- JSON
    """Make a body of a type from its sample, with its time and some of its data changed."""
    body = sample(type_)
    body["timestamp"] = at
    body["data"] |= data
    return body


def deliver(server: Served, body: Body) -> str:
    return server.deliver(json.dumps(body).encode())


def pages(server: Served, path: str, **query: str | int) -> list[dict[str, Any]]:
    """Read a list to its end, page by page."""
    items: list[dict[str, Any]] = []
    while True:
        page = server.get(path, **query)
        assert len(page["items"]) <= int(query.get("limit", 50))
        items += page["items"]
        if page["next"] is None:
            return items
        query["cursor"] = page["next"]


def test_an_object_is_there_as_soon_as_its_delivery_is_waited_for(server: Served) -> None:
    for number in range(20):
        payment_id = f"pay_{number}"
        body = body_of("payment.succeeded", "2026-05-01T10:00:00Z", payment_id=payment_id)
        position = deliver(server, body)
        payment = server.get(f"/v1/payments/{payment_id}", min_position=position)
        assert (payment["status"], payment["history"]) == ("succeeded", "complete")


def test_a_position_that_the_log_has_not_reached_is_not_yet_on_any_read(
    shop: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.queries.freshness.WAIT_S", 0.2)
    paths = ["/v1/payments", "/v1/payments/x", "/v1/payments/x/timeline", "/v1/customers/x"]
    paths += ["/v1/events", "/v1/events/x", "/v1/refusals", "/v1/customers/x/timeline"]
    with ThreadPoolExecutor(len(paths)) as clients:  # each of them waits for some seconds
        asked = [
            clients.submit(shop.client.get, path, params={"min_position": "9000"}) for path in paths
        ]
    for response in (answer.result() for answer in asked):
        assert (response.status_code, response.json()["error"]["code"]) == (503, "not_yet")
        assert response.headers["retry-after"] == "1"


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_read_page_by_page_is_the_list(kind: str, shop: Served) -> None:
    whole = shop.get(f"/v1/{kind}", limit=100)
    assert whole["items"]
    assert whole["next"] is None
    assert pages(shop, f"/v1/{kind}", limit=3) == whole["items"]


def test_a_cursor_stays_right_while_objects_change_and_appear(server: Served) -> None:
    for number in range(6):
        body = body_of("payment.processing", "2026-05-01T10:00:00Z", payment_id=f"pay_{number}")
        deliver(server, body)
    last = deliver(
        server, body_of("payment.processing", "2026-05-01T10:00:00Z", payment_id="pay_6")
    )
    first = server.get("/v1/payments", limit=3, min_position=last)
    for payment_id in ("pay_1", "pay_5", "pay_7"):
        body = body_of("payment.succeeded", "2026-05-02T10:00:00Z", payment_id=payment_id)
        last = deliver(server, body)
    rest = pages(server, "/v1/payments", limit=3, cursor=first["next"], min_position=last)
    seen = [payment["payment_id"] for payment in [*first["items"], *rest]]
    assert seen == [f"pay_{number}" for number in (6, 5, 4, 3, 2, 1, 0)]
    assert {p["payment_id"]: p["status"] for p in rest}["pay_1"] == "succeeded"


def test_a_cursor_of_one_list_is_refused_by_another(shop: Served) -> None:
    cursor = shop.get("/v1/payments", limit=1)["next"]
    assert shop.refused("/v1/subscriptions", cursor=cursor) == (400, "invalid_parameter")
    assert shop.refused("/v1/events", cursor=cursor) == (400, "invalid_parameter")


@pytest.mark.parametrize("kind", KINDS)
def test_a_filter_keeps_what_it_names_and_nothing_else(kind: str, shop: Served) -> None:
    everything = pages(shop, f"/v1/{kind}")
    for name in ("status", "customer_id", "business_id"):
        for value in {item[name] for item in everything if item[name] is not None}:
            expected = [item for item in everything if item[name] == value]
            assert pages(shop, f"/v1/{kind}", **{name: value}) == expected
    assert pages(shop, f"/v1/{kind}", status="no such status") == []


@pytest.mark.parametrize("kind", KINDS)
def test_lists_can_be_cut_by_the_time_of_creation(kind: str, shop: Served) -> None:
    everything = pages(shop, f"/v1/{kind}")
    created = sorted(item["created_at"] for item in everything)
    middle = created[len(created) // 2]
    later = pages(shop, f"/v1/{kind}", created_at_gte=middle)
    earlier = pages(shop, f"/v1/{kind}", created_at_lte=middle)
    assert later == [item for item in everything if item["created_at"] >= middle]
    assert earlier == [item for item in everything if item["created_at"] <= middle]


def test_subscriptions_can_be_asked_for_by_product_and_activity(shop: Served) -> None:
    everything = pages(shop, "/v1/subscriptions")
    product_id = everything[0]["product_id"]
    assert pages(shop, "/v1/subscriptions", product_id=product_id) == [
        item for item in everything if item["product_id"] == product_id
    ]
    for active in ("true", "false"):
        assert pages(shop, "/v1/subscriptions", active=active) == [
            item for item in everything if (item["status"] == "active") == (active == "true")
        ]


def test_disputes_can_be_asked_for_while_they_are_open(server: Served) -> None:
    deliver(server, body_of("dispute.opened", "2026-05-01T10:00:00Z", dispute_id="dp_1"))
    deliver(server, body_of("dispute.opened", "2026-05-01T10:00:00Z", dispute_id="dp_2"))
    last = deliver(server, body_of("dispute.lost", "2026-05-09T10:00:00Z", dispute_id="dp_2"))
    found = {
        wanted: [
            d["dispute_id"] for d in pages(server, "/v1/disputes", open=wanted, min_position=last)
        ]
        for wanted in ("true", "false")
    }
    assert found == {"true": ["dp_1"], "false": ["dp_2"]}


@pytest.mark.parametrize("kind", KINDS)
def test_each_object_of_a_list_is_found_by_its_id_and_has_a_timeline(
    kind: str, shop: Served
) -> None:
    for item in shop.get(f"/v1/{kind}", limit=5)["items"]:
        path = f"/v1/{kind}/{item[ID_FIELD[kind]]}"
        assert shop.get(path) == item
        facts = pages(shop, f"{path}/timeline", limit=2)
        assert facts == shop.get(f"{path}/timeline", limit=100)["items"]
        for before, after in itertools.pairwise(facts):
            assert before["occurred_at"] <= after["occurred_at"]
        # What names it is told beside its own.
        own = [fact for fact in facts if fact["id"] == item[ID_FIELD[kind]]]
        assert own[-1]["occurred_at"] == item["occurred_at"]
        assert own[-1]["to"] == item["folded_status"]
        for before, after in itertools.pairwise(own):
            assert before["to"] == after["from"]


def test_a_timeline_tells_what_was_refused_and_why_and_so_do_the_refusals(server: Served) -> None:
    deliver(server, body_of("payment.succeeded", "2026-05-01T10:00:00Z", payment_id="pay_1"))
    last = deliver(server, body_of("payment.failed", "2026-05-02T10:00:00Z", payment_id="pay_1"))
    applied, refused = server.get("/v1/payments/pay_1/timeline", min_position=last)["items"]
    assert (applied["verdict"], applied["from"], applied["to"]) == ("applied", None, "succeeded")
    assert (refused["verdict"], refused["from"], refused["to"]) == ("refused", *["succeeded"] * 2)
    assert "not a valid transition" in refused["reason"]
    assert server.get("/v1/refusals")["items"] == [refused]
    assert server.get("/v1/payments/pay_1")["refused"] == 1


def test_an_id_may_hold_a_slash(server: Served) -> None:
    body = body_of("payment.succeeded", "2026-05-01T10:00:00Z", payment_id="pay/1")
    last = deliver(server, body)
    assert server.get("/v1/payments/pay%2F1", min_position=last)["payment_id"] == "pay/1"
    assert len(server.get("/v1/payments/pay%2F1/timeline")["items"]) == 1


def test_a_customer_is_told_in_numbers_and_as_a_timeline(shop: Served) -> None:
    payments = pages(shop, "/v1/payments")
    customer_id = payments[0]["customer_id"]
    customer = shop.get(f"/v1/customers/{customer_id}")
    own = [payment for payment in payments if payment["customer_id"] == customer_id]
    assert (customer["customer_id"], customer["payments"]) == (customer_id, len(own))
    facts = pages(shop, f"/v1/customers/{customer_id}/timeline", limit=4)
    times = [fact["occurred_at"] for fact in facts]
    assert times == sorted(times)
    assert {payment["payment_id"] for payment in own} <= {fact["id"] for fact in facts}


def test_the_log_can_be_read_whole_by_type_by_aggregate_and_onwards(shop: Served) -> None:
    log = pages(shop, "/v1/events", limit=100)
    assert [int(event["position"]) for event in log] == list(range(1, len(log) + 1))
    for name in ("type", "aggregate_id"):
        value = log[0][name]
        expected = [event for event in log if event[name] == value]
        assert pages(shop, "/v1/events", **{name: value}) == expected
    assert pages(shop, "/v1/events", after=log[-2]["position"]) == log[-1:]
    assert pages(shop, "/v1/events", before=log[2]["position"]) == log[:2]


@pytest.mark.parametrize("limit", [7, 100])
def test_what_has_an_order_is_read_from_either_end(shop: Served, limit: int) -> None:
    customer_id = pages(shop, "/v1/customers")[-1]["customer_id"]
    subscription_id = pages(shop, "/v1/subscriptions")[-1]["subscription_id"]
    stream = shop.get("/v1/events", type="subscription.active")["items"][0]["aggregate_id"]
    asked: list[tuple[str, Query]] = [
        ("/v1/events", {}),
        ("/v1/events", {"type": "payment.succeeded"}),
        ("/v1/events", {"aggregate_id": stream}),
        ("/v1/events", {"after": 5, "before": 31}),
        ("/v1/refusals", {}),
        (f"/v1/customers/{customer_id}/timeline", {}),
        (f"/v1/subscriptions/{subscription_id}/timeline", {}),
    ]
    pasts: list[Query] = [{}, {"as_of": "2026-04-01T00:00:00Z"}]
    for past in pasts:
        for path, query in asked:
            read: Query = {**query, **past, "limit": limit}
            forwards = pages(shop, path, **read)
            assert forwards or path == "/v1/refusals", path
            assert pages(shop, path, **read, order="desc") == forwards[::-1], path


def test_the_newest_as_of_a_time_are_found_over_parts_of_the_log(
    shop: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    past: Query = {"as_of": "2026-03-01T00:00:00Z", "after": 3}
    whole = pages(shop, "/v1/events", **past)
    monkeypatch.setattr("api.resources.events.LOOKED_AT_MAX", 7)
    assert pages(shop, "/v1/events", **past, order="desc") == whole[::-1]


def test_a_webhook_tells_whether_the_secrets_in_hand_have_signed_it(
    database: str,
) -> None:
    body = json.dumps(sample("payment.succeeded")).encode()
    other = "whsec_" + base64.b64encode(b"a secret that came after it").decode()
    with served(database) as server:
        server.deliver(body, "msg_signed")
        first = server.get("/v1/events/msg_signed", min_position=1)
        header, verified, reason = first["signature"].values()
        assert (verified, reason) == (True, None)
        assert header.startswith("v1,")
    with served(database, secrets=(other,)) as server:
        then = server.get("/v1/events/msg_signed")["signature"]
        assert then["header"] == header
        assert (then["verified"], then["reason"]) == (
            False,
            "no signature matches the body under any of the secrets",
        )


def test_the_hashes_of_webhooks_are_those_of_the_chain(shop: Served) -> None:
    log = shop.get("/v1/events", limit=5)["items"]
    chained = [shop.get(f"/v1/events/{one['webhook_id']}")["chained"] for one in log]
    assert chained[0]["previous_hash"] == "00" * 32
    for before, after in pairwise(chained):
        assert after["previous_hash"] == before["hash"]
    one, body = log[1], shop.get(f"/v1/events/{log[1]['webhook_id']}")
    state = encode(
        Delivery(
            one["webhook_id"],
            body["webhook_timestamp"],
            body["signature"]["header"],
            body["body"].encode(),
        )
    )
    row = Row(
        one["aggregate_id"],
        chained[1]["version"],
        one["type"],
        state,
        int(one["position"]),
        one["webhook_id"],
        datetime.fromisoformat(one["recorded_at"]),
    )
    assert link(bytes.fromhex(chained[1]["previous_hash"]), row).hex() == chained[1]["hash"]
    assert sha256(state).hexdigest() == chained[1]["content_hash"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/subscriptions/sub_x",
        "/v1/payments/pay_x/timeline",
        "/v1/refunds/",
        "/v1/disputes/%00",
        "/v1/license_keys/" + "x" * 201,
        "/v1/customers/cus_x",
        "/v1/customers/cus_x/timeline",
        "/v1/events/msg_x",
        "/v1",
        "/v1/",
        "/v1/plans",
        "/healthz/",
    ],
)
def test_what_is_not_there_is_not_found(path: str, shop: Served) -> None:
    assert shop.refused(path) == (404, "not_found")


def test_a_wrong_method_is_told_the_right_ones(shop: Served) -> None:
    for method, path, allowed in (
        ("DELETE", "/v1/payments", "GET, HEAD"),
        ("GET", "/webhooks/dodo", "POST"),
    ):
        response = shop.client.request(method, path)
        assert (response.status_code, response.headers["allow"]) == (405, allowed)
        assert response.json()["error"]["code"] == "method_not_allowed"


def test_head_gives_the_headers_alone(shop: Served) -> None:
    response = shop.client.head("/v1/payments")
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "path", ["/v1/payments", "/v1/payments/x", "/metrics", "/v1/x?y", "/healthz"]
)
def test_no_answer_is_cached_or_taken_for_something_else(path: str, shop: Served) -> None:
    headers = shop.client.get(path).headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert "server" not in headers


def test_with_a_key_reading_needs_it_and_the_rest_does_not(database: str) -> None:
    with served(database, api_key=KEY) as server:
        for path in ("/v1/payments", "/v1/payments/x", "/v1/events", "/metrics"):
            assert server.refused(path) == (401, "unauthorized")
            wrong = {"authorization": f"Bearer {KEY[::-1]}"}
            assert server.client.get(path, headers=wrong).status_code == 401
            right = {"authorization": f"Bearer {KEY}"}
            assert server.client.get(path, headers=right).status_code in {200, 404}
        for path in ("/healthz", "/readyz", "/openapi.json"):
            assert server.client.get(path).status_code == 200
        assert server.deliver(b"{}") == "1"


@pytest.mark.parametrize(
    "headers", [{"host": "evil.example"}, {"x-forwarded-for": "192.0.2.1"}, {"forwarded": "for=x"}]
)
def test_without_a_key_what_comes_from_elsewhere_may_not_read(
    headers: dict[str, str], shop: Served
) -> None:
    response = shop.client.get("/v1/payments", headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (403, "loopback_only")
    assert shop.client.get("/healthz", headers=headers).status_code == 200


def test_readyz_tells_how_far_everything_is(server: Served) -> None:
    position = server.deliver(b"{}")
    server.get("/v1/payments", min_position=position)
    ready = server.get("/readyz")
    assert (ready["status"], ready["follower"], ready["queued"]) == ("ready", "leading", 0)
    assert (ready["log_position"], ready["projected_position"]) == (position, position)
    assert ready["lag_s"] == 0


def test_readyz_tells_everybody_that_something_fails_and_only_the_log_what(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    with served(database) as server:
        execute(database, "ALTER TABLE raphus.payments RENAME TO moved")
        server.deliver(samples()["payment.succeeded"])
        until(lambda: server.client.get("/readyz").status_code == 503)
        told = server.client.get("/readyz").json()["error"]
    assert told["details"].keys() == {"follower"}
    assert "do not follow the log" in told["details"]["follower"]
    assert not re.search(r"[A-Z][a-z]+[A-Z]|\.py|:\d|payments", str(told))
    assert "UndefinedObject" in caplog.text


def test_two_servers_on_one_database_agree_on_who_writes_the_read_models(database: str) -> None:
    with served(database) as one, served(database) as other:
        position = one.deliver(b'{"a": 1}', "msg_1")
        assert other.post(b'{"a": 1}', "msg_1").json() == {"position": position, "duplicate": True}
        for server in (one, other):
            assert len(server.get("/v1/events", min_position=position)["items"]) == 1
        roles = {server.get("/readyz")["follower"] for server in (one, other)}
    assert roles == {"leading", "standing by"}


def test_the_description_is_the_same_for_everybody(shop: Served) -> None:
    described = shop.get("/openapi.json")
    assert described["openapi"].startswith("3.1")
    assert {"/v1/subscriptions/{id}", "/webhooks/dodo", "/readyz"} <= described["paths"].keys()
    assert httpx.get(f"{shop.url}/openapi.json", trust_env=False, timeout=60).json() == described
