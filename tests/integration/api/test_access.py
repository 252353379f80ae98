"""Access and state over real HTTP: who may in, on what evidence, now and at any other time."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from starlette.routing import Route

from api.app import application
from api.http.auth import OpenOnLoopback
from api.queries.read_side import Rules
from api.routes import OPERATIONS
from api.webhooks.endpoint import PATH
from api.webhooks.verifier import Verifier
from tests.support.http_server import SECRET, Served, copied, served
from tests.support.projected import few_payouts, project, record, simulated, varied
from tests.support.samples import sample
from workflows.policy_file import PolicyFile

EVER_NEW = {"at", "freshness"}
"""What differs between two answers of different times."""
CLAIMANT = ("business_id", "customer_id", "claims")


@pytest.fixture(scope="module")
def shop(cluster: str, template: str) -> Iterator[tuple[Served, list[str]]]:
    """A server that knows a merchant's customers, with their ids; for tests that only read."""
    with copied(cluster, template) as conninfo:
        record(conninfo, [*varied(), *few_payouts(simulated(8, seed=5))])
        project(conninfo)
        with psycopg.connect(conninfo) as conn:
            rows = conn.execute("SELECT DISTINCT customer_id FROM raphus.customers ORDER BY 1")
            ids = [str(row[0]) for row in rows.fetchall()]
        with served(conninfo) as running:
            yield running, ids


def tell(server: Served, type_: str, at: str, **data: Any) -> str:  # noqa: ANN401 -- JSON
    """Deliver a body of a type, wait until it shows, and return the webhook-id."""
    body = sample(type_)
    body["timestamp"] = at
    body["data"] |= {"customer": {"customer_id": "cus_1"}, **data}
    webhook_id = f"msg_{type_}_{at}"
    position = server.deliver(json.dumps(body).encode(), webhook_id)
    server.get("/v1/refusals", min_position=position)
    return webhook_id


def days(number: float) -> str:
    """Write an instant so many days from now."""
    return (datetime.now(UTC) + timedelta(days=number)).isoformat().replace("+00:00", "Z")


SUBSCRIPTION: dict[str, Any] = {
    "subscription_id": "sub_1",
    "product_id": "pdt_1",
    "status": None,
}


def test_access_is_told_with_its_reason_its_evidence_and_how_fresh_it_is(server: Served) -> None:
    webhook_id = tell(server, "subscription.active", "2026-05-01T00:00:00Z", **SUBSCRIPTION)
    found = server.get("/v1/access", customer_id="cus_1", product_id="pdt_1")
    assert (found["access"], found["until"], found["reason"]["code"]) == (True, None, "active")
    assert found["reason"]["text"] == "Subscription sub_1 is active."
    business_id = sample("subscription.active")["business_id"]
    assert found["rests_on"] == [
        {
            "kind": "subscription",
            "id": "sub_1",
            "business_id": business_id,
            "status": "active",
            "webhook_id": webhook_id,
            "occurred_at": "2026-05-01T00:00:00Z",
            "product_ids": ["pdt_1"],
            "product_names": [None],
        }
    ]
    claim = {"kind": "subscription", "id": "sub_1", "key": "customer_id", "webhook_id": webhook_id}
    assert found["customers"] == [
        {"business_id": business_id, "customer_id": "cus_1", "claims": [claim]}
    ]
    fresh = found["freshness"]
    assert (fresh["position"], fresh["lag_s"]) == ("1", 0.0)
    (last,) = fresh["last_webhooks"]
    assert (last["business_id"], last["webhook_id"]) == (business_id, webhook_id)
    other = server.get("/v1/access", customer_id="cus_1", product_id="pdt_2")
    assert (other["access"], other["reason"]["code"]) == (False, "never_bought")


def test_a_question_that_can_be_put_is_always_answered(untold: Served) -> None:
    found = untold.get("/v1/access", customer_id="cus_nobody")
    assert (found["access"], found["until"], found["customers"]) == (False, None, [])
    assert found["reason"]["code"] == "unknown_person"
    assert found["freshness"] == {"position": "0", "lag_s": 0.0, "last_webhooks": []}


def test_a_person_is_named_in_one_way(untold: Served) -> None:
    for query in ({}, {"customer_id": "cus_1", "email": "x@example.com"}):
        response = untold.client.get("/v1/access", params=query)
        assert response.status_code == 400
        message = response.json()["error"]["message"]
        assert "exactly one of customer_id, email and external_id" in message


def test_the_answer_changes_by_time_alone_at_until(server: Served) -> None:
    begun = datetime.now(UTC)
    ends = begun + timedelta(seconds=2)
    tell(
        server,
        "subscription.past_due",
        "2026-05-01T00:00:00Z",
        past_due_ends_at=ends.isoformat(),
        **SUBSCRIPTION,
    )
    found = server.get("/v1/access", customer_id="cus_1")
    if datetime.fromisoformat(found["at"]) < ends:
        assert (found["access"], found["reason"]["code"]) == (True, "grace")
        assert datetime.fromisoformat(found["until"]) == ends
    time.sleep(max(0.0, (ends - datetime.now(UTC)).total_seconds()))
    found = server.get("/v1/access", customer_id="cus_1")
    assert (found["access"], found["reason"]["code"]) == (False, "past_due")
    just_before = (ends - timedelta(microseconds=1)).isoformat()
    assert server.get("/v1/access", customer_id="cus_1", as_of=just_before)["access"]


def test_access_is_told_as_of_and_as_known_at_a_time(server: Served) -> None:
    tell(server, "subscription.active", "2026-05-01T00:00:00Z", **SUBSCRIPTION)
    known = server.get("/v1/events")["items"][-1]["recorded_at"]
    tell(server, "subscription.on_hold", "2026-06-01T00:00:00Z", **SUBSCRIPTION)

    def code(**times: str) -> str:
        found = server.get("/v1/access", customer_id="cus_1", **times)
        assert found["access"] is (found["reason"]["code"] == "active")
        return str(found["reason"]["code"])

    assert code() == code(as_of="2026-06-01T00:00:00Z") == "on_hold"
    assert code(as_of="2026-05-31T00:00:00Z") == code(known_at=known) == "active"
    assert code(as_of="2026-04-30T00:00:00Z") == "unknown_person"
    assert code(known_at="2026-01-01T00:00:00Z") == "unknown_person"
    assert code(known_at=known, as_of="2026-06-02T00:00:00Z") == "active"


def test_what_is_doubtful_is_told(server: Served) -> None:
    tell(
        server,
        "subscription.active",
        "2026-05-01T00:00:00Z",
        **SUBSCRIPTION | {"status": "active", "next_billing_date": days(-3), "on_demand": False},
    )
    tell(
        server,
        "subscription.failed",
        "2026-05-02T00:00:00Z",
        **SUBSCRIPTION | {"next_billing_date": days(-3), "on_demand": False},
    )
    tell(server, "dispute.challenged", "2026-05-03T00:00:00Z", dispute_id="dp_1")
    found = server.get("/v1/access", customer_id="cus_1")
    doubts = {(one["id"], one["code"]) for one in found["doubts"]}
    assert doubts == {("sub_1", "refused"), ("sub_1", "overdue"), ("dp_1", "partial")}
    assert found["access"]


def everything(server: Served, customer_id: str, **times: str) -> list[dict[str, Any]]:
    """Ask both questions about a customer."""
    state = server.get(f"/v1/customers/{customer_id}/state", **times)
    asked = [server.get("/v1/access", customer_id=customer_id, **times)]
    asked += [
        server.get("/v1/access", customer_id=customer_id, product_id=one["product_id"], **times)
        for one in state["products"]
    ]
    return [{k: v for k, v in one.items() if k not in EVER_NEW} for one in [state, *asked]]


def test_now_is_as_of_now(shop: tuple[Served, list[str]]) -> None:
    server, ids = shop
    now = datetime.now(UTC).isoformat()
    answers = [everything(server, one) for one in ids]
    assert answers == [everything(server, one, as_of=now) for one in ids]
    assert answers == [everything(server, one, known_at=now) for one in ids]
    states = [state for state, *_ in answers]
    said = {one["access"]["reason"]["code"] for one in states}
    assert len(said) > 3, "the merchant's customers are to differ"
    for part in ("active", "without_access", "bought_once", "license_keys", "unpaid", "doubts"):
        assert any(state[part] for state in states), part


def test_a_state_says_of_each_product_what_access_says(shop: tuple[Served, list[str]]) -> None:
    server, ids = shop
    for customer_id in ids:
        state, whole, *each = everything(server, customer_id)
        answer = ("access", "until", "reason", "rests_on")
        assert state["access"] == {name: whole[name] for name in answer}
        named = (*answer, "product_id", "product_name")
        of_products = [{name: one[name] for name in named} for one in each]
        assert state["products"] == of_products
        told = [{name: one[name] for name in CLAIMANT} for one in state["customers"]]
        assert told == whole["customers"]


def test_the_state_of_a_customer_has_what_the_merchant_shows_on_a_billing_page(
    server: Served,
) -> None:
    about = {"recurring_pre_tax_amount": 1_900, "currency": "USD", "quantity": 1}
    about |= {"payment_frequency_count": 1, "payment_frequency_interval": "Month"}
    about |= {"next_billing_date": days(10), "previous_billing_date": days(-20)}
    about |= {"cancel_at_next_billing_date": False, "on_demand": False}
    tell(server, "subscription.active", days(-20), **SUBSCRIPTION | about)
    grace = about | {"past_due_ends_at": days(2), "subscription_id": "sub_2", "product_id": "pdt_2"}
    tell(server, "subscription.past_due", days(-1), **SUBSCRIPTION | grace)
    cart = {
        "product_cart": [{"product_id": "pdt_3"}],
        "subscription_id": None,
        "subscription_ids": None,
    }
    tell(server, "payment.succeeded", days(-5), payment_id="pay_1", **cart)
    tell(server, "payment.failed", days(-1), payment_id="pay_2", subscription_id="sub_2")
    tell(server, "dispute.opened", days(-2), dispute_id="dp_1", payment_id="pay_1", customer=None)
    key = {"product_id": "pdt_3", "payment_id": "pay_1", "customer_id": "cus_1"}
    tell(server, "license_key.created", days(-5), id="lic_1", expires_at=None, **key)
    state = server.get("/v1/customers/cus_1/state")
    (active,) = state["active"]
    assert (active["subscription_id"], active["access"]) == ("sub_1", True)
    price = {"amount": 1_900, "currency": "USD", "quantity": 1, "every": 1, "interval": "Month"}
    assert active["price"] == price
    assert active["next_charge_at"] == active["next_billing_date"]
    (in_grace,) = state["in_grace"]
    assert in_grace["subscription_id"] == "sub_2"
    assert in_grace["access_until"] == in_grace["past_due_ends_at"]
    assert in_grace["next_charge_at"] is None
    assert [one["payment_id"] for one in state["bought_once"]] == ["pay_1"]
    assert [one["id"] for one in state["license_keys"]] == ["lic_1"]
    assert [one["dispute_id"] for one in state["open_disputes"]] == ["dp_1"]
    assert [one["payment_id"] for one in state["unpaid"]] == ["pay_2"]
    until = {one["product_id"]: (one["access"], one["until"]) for one in state["products"]}
    ends = in_grace["past_due_ends_at"]
    assert until == {"pdt_1": (True, None), "pdt_2": (True, ends), "pdt_3": (True, None)}


def test_the_state_has_grants_and_the_licence_keys_that_follow_them(server: Served) -> None:
    customer = {"customer_id": "cus_1", "payment_id": None, "subscription_id": None}
    tell(server, "license_key.created", days(-5), id="lic_1", expires_at=None, **customer)
    about = {"id": "grant_1", "license_key": {"id": "lic_1"}, **customer}
    tell(server, "entitlement_grant.created", days(-5), status="Delivered", **about)
    before = datetime.now(UTC).isoformat()
    state = server.get("/v1/customers/cus_1/state")
    assert [(one["id"], one["access"]) for one in state["grants"]] == [("grant_1", True)]
    assert [(one["id"], one["status"]) for one in state["license_keys"]] == [("lic_1", "active")]
    tell(server, "entitlement_grant.revoked", days(-1), status="Revoked", **about)
    state = server.get("/v1/customers/cus_1/state")
    (grant,), (key,) = state["grants"], state["license_keys"]
    assert (grant["status"], grant["license_key_id"]) == ("revoked", "lic_1")
    assert (key["status"], key["access"], state["access"]["access"]) == ("disabled", False, False)
    listed = server.get("/v1/license_keys", customer_id="cus_1")["items"]
    assert [one["status"] for one in listed] == ["disabled"]
    for times in ({"as_of": days(-2)}, {"known_at": before}):
        assert server.get("/v1/access", customer_id="cus_1", **times)["access"], times


def test_of_nobody_there_is_no_state(untold: Served) -> None:
    assert untold.refused("/v1/customers/cus_nobody/state") == (404, "not_found")


def test_an_id_may_hold_slashes(server: Served) -> None:
    about = SUBSCRIPTION | {"customer": {"customer_id": "a/b/state"}}
    tell(server, "subscription.active", "2026-05-01T00:00:00Z", **about)
    state = server.get("/v1/customers/a/b/state/state")
    assert [one["customer_id"] for one in state["customers"]] == ["a/b/state"]


def test_two_businesses_share_no_holdings_by_the_ids_of_what_they_are_about(server: Served) -> None:
    body = sample("license_key.created")
    body["business_id"] = "bus_other"
    body["data"] |= {"customer_id": "cus_1", "subscription_id": "sub_1", "expires_at": None}
    tell(server, "subscription.expired", "2026-05-01T00:00:00Z", **SUBSCRIPTION)
    position = server.deliver(json.dumps(body).encode())
    found = server.get("/v1/access", customer_id="cus_1", min_position=position)
    assert found["access"], "a subscription of one business ends no key of another"
    assert len(found["customers"]) == 2
    assert {one["code"] for one in found["doubts"]} >= {"several"}


def test_what_is_asked_at_every_turn_is_looked_for_first(database: str) -> None:
    app = application(database, Verifier([SECRET]), OpenOnLoopback())
    routes = [route for route in app.routes if isinstance(route, Route)]
    paths = [route.path for route in routes]
    assert set(paths[1:4]) == {
        "/v1/access",
        "/v1/customers/{id:path}/state",
        "/v1/customers/external/{external_id:path}/state",
    }
    served = [(route.path, one) for route in routes for one in (route.methods or set()) - {"HEAD"}]
    declared = [(one.path, one.method) for one in OPERATIONS]
    assert sorted(served) == sorted([*declared, (PATH, "POST")])
    assert len(paths) == len(set(paths))


SHORT_WAY = "api.queries.holdings.ROWS_MAX"
"""Whoever has fewer rows of a sort is answered by another statement than all others."""


def test_the_short_way_finds_what_the_long_one_does(
    shop: tuple[Served, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, ids = shop
    by_the_short = [everything(server, one) for one in ids]
    monkeypatch.setattr(SHORT_WAY, 0)
    assert by_the_short == [everything(server, one) for one in ids]


def test_the_short_way_ends_where_there_is_more_than_it_reads(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        about = {"payment_id": f"pay_{number}", "subscription_id": None, "subscription_ids": None}
        tell(server, "payment.succeeded", f"2026-05-0{number + 1}T00:00:00Z", **about)
    tell(server, "dispute.opened", "2026-05-05T00:00:00Z", dispute_id="dp_1", payment_id="pay_0")
    whole = everything(server, "cus_1")
    assert len(whole[0]["bought_once"]) == 4
    for limit in range(7):
        monkeypatch.setattr(SHORT_WAY, limit)
        assert everything(server, "cus_1") == whole, limit


def test_more_than_is_looked_at_is_told(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.queries.holdings.OBJECTS_MAX", 2)
    monkeypatch.setattr(SHORT_WAY, 3)
    for number in range(2):
        about = {"payment_id": f"pay_{number}", "subscription_id": None}
        tell(server, "payment.succeeded", f"2026-05-0{number + 1}T00:00:00Z", **about)
    assert not server.get("/v1/access", customer_id="cus_1")["doubts"]
    tell(server, "payment.succeeded", "2026-05-03T00:00:00Z", payment_id="pay_2")
    (doubt,) = server.get("/v1/access", customer_id="cus_1")["doubts"]
    assert doubt["code"] == "cut"


def test_the_policy_is_followed_and_a_wrong_file_keeps_the_last_good_one(
    database: str, tmp_path: Path
) -> None:
    path = tmp_path / "raphus.toml"
    path.write_text('[access]\non_hold = "3 days"\n')
    os.utime(path, (1, 1))
    with served(database, rules=Rules(policy=PolicyFile(path, retry_s=0))) as server:
        tell(server, "subscription.on_hold", days(-1), **SUBSCRIPTION)
        found = server.get("/v1/access", customer_id="cus_1")
        assert (found["access"], found["reason"]["code"]) == (True, "grace")
        assert "policy" not in server.get("/readyz")["warnings"]
        path.write_text('[access]\non_holt = "3 days"\n')
        assert server.get("/v1/access", customer_id="cus_1")["access"]
        assert server.get("/readyz")["warnings"]["policy"].startswith("raphus.toml:2: unknown key")
        path.write_text('[access]\non_hold = "12 hours"\n')
        assert "on_hold must be" in server.get("/readyz")["warnings"]["policy"]
        path.write_text("")
        assert not server.get("/v1/access", customer_id="cus_1")["access"]
        assert "policy" not in server.get("/readyz")["warnings"]
