"""The past over real HTTP: objects, timelines and explanations as they were."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.http_server import Served
from tests.support.samples import sample

SUBSCRIPTION = "/v1/subscriptions/sub_1"


def tell(server: Served, type_: str, at: str, **data: Any) -> str:  # noqa: ANN401 -- JSON
    """Deliver a body of a type, wait until it shows, and return the position."""
    body = sample(type_)
    body["timestamp"] = at
    body["data"] |= data
    position = server.deliver(json.dumps(body).encode())
    server.get("/v1/refusals", min_position=position)
    return position


def recorded_at(server: Served, position: str) -> str:
    """Return when the event at a position was recorded."""
    (event,) = server.get("/v1/events", after=str(int(position) - 1), limit=1)["items"]
    return str(event["recorded_at"])


def a_cancelled_subscription(server: Served) -> list[str]:
    """Tell that it began on 1 April, was held on 1 May, and cancelled in June; return positions."""
    about = {"subscription_id": "sub_1", "status": None}
    return [
        tell(server, "subscription.active", "2026-04-01T00:00:00Z", quantity=1, **about),
        tell(server, "subscription.cancelled", "2026-06-01T00:00:00Z", quantity=3, **about),
        tell(server, "subscription.on_hold", "2026-05-01T00:00:00Z", quantity=2, **about),
    ]


def test_an_object_is_shown_as_it_was_true_then(server: Served) -> None:
    a_cancelled_subscription(server)
    shown = [
        server.get(SUBSCRIPTION, as_of=at)
        for at in ("2026-04-30T23:59:59Z", "2026-05-01T00:00:00Z", "2026-07-01T00:00:00Z")
    ]
    assert [one["status"] for one in shown] == ["active", "on_hold", "cancelled"]
    assert [one["quantity"] for one in shown] == [1, 2, 3]
    assert shown[-1] == server.get(SUBSCRIPTION)


def test_an_object_is_shown_as_it_was_known_then(server: Served) -> None:
    began, cancelled, _ = a_cancelled_subscription(server)
    known = {
        at: server.get(SUBSCRIPTION, known_at=recorded_at(server, at)) for at in (began, cancelled)
    }
    assert (known[began]["status"], known[cancelled]["status"]) == ("active", "cancelled")
    # The hold had not been recorded yet, although it had occurred.
    both = {"known_at": recorded_at(server, cancelled), "as_of": "2026-05-02T00:00:00Z"}
    assert server.get(SUBSCRIPTION, **both)["status"] == "active"
    assert server.get(SUBSCRIPTION, as_of="2026-05-02T00:00:00Z")["status"] == "on_hold"


def test_a_timeline_of_the_past_ends_there_and_has_the_same_lines(server: Served) -> None:
    a_cancelled_subscription(server)
    whole = server.get(f"{SUBSCRIPTION}/timeline")["items"]
    then = server.get(f"{SUBSCRIPTION}/timeline", as_of="2026-05-15T00:00:00Z")["items"]
    assert [line["type"] for line in whole] == [
        "subscription.active",
        "subscription.on_hold",
        "subscription.cancelled",
    ]
    assert then == whole[:2]


def test_a_timeline_of_the_past_has_pages_too(server: Served) -> None:
    a_cancelled_subscription(server)
    query: dict[str, str | int] = {"as_of": "2026-07-01T00:00:00Z", "limit": 2}
    first = server.get(f"{SUBSCRIPTION}/timeline", **query)
    second = server.get(f"{SUBSCRIPTION}/timeline", cursor=first["next"], **query)
    assert second["next"] is None
    assert first["items"] + second["items"] == server.get(f"{SUBSCRIPTION}/timeline")["items"]


def test_what_had_not_begun_was_not_there(server: Served) -> None:
    a_cancelled_subscription(server)
    answer = server.client.get(SUBSCRIPTION, params={"as_of": "2026-03-01T00:00:00Z"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_yet")


def test_a_disputes_customer_of_the_past_comes_through_its_payment(server: Served) -> None:
    customer = {"customer": {"customer_id": "cus_1"}}
    tell(server, "payment.succeeded", "2026-04-01T00:00:00Z", payment_id="pay_1", **customer)
    about = {"dispute_id": "dp_1", "payment_id": "pay_1", "customer": None}
    tell(server, "dispute.opened", "2026-04-02T00:00:00Z", **about)
    then = server.get("/v1/disputes/dp_1", as_of="2026-04-03T00:00:00Z")
    assert then["customer_id"] == "cus_1"
    assert then == server.get("/v1/disputes/dp_1")


@pytest.mark.parametrize("name", ["as_of", "known_at"])
@pytest.mark.parametrize("time", ["2099-01-01T00:00:00Z", "yesterday", "2026-05-01", ""])
def test_a_time_that_is_none_or_to_come_is_refused(untold: Served, name: str, time: str) -> None:
    answer = untold.client.get(SUBSCRIPTION, params={name: time})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_parameter")


def test_a_field_is_explained_by_the_delivery_that_set_it(server: Served) -> None:
    _, _, held = a_cancelled_subscription(server)
    tell(server, "subscription.past_due", "2026-06-02T00:00:00Z", subscription_id="sub_1")
    now = server.get(f"{SUBSCRIPTION}/explain", field="folded_status")
    assert now["value"] == "cancelled"
    assert [source["type"] for source in now["set_by"]] == ["subscription.cancelled"]
    assert "subscription.past_due" in {source["type"] for source in now["passed_over"]}
    then = server.get(f"{SUBSCRIPTION}/explain", field="quantity", as_of="2026-05-02T00:00:00Z")
    assert (then["value"], [source["position"] for source in then["set_by"]]) == (2, [held])


def test_a_field_that_does_not_exist_is_told_with_those_that_do(server: Served) -> None:
    a_cancelled_subscription(server)
    answer = server.client.get(f"{SUBSCRIPTION}/explain", params={"field": "colour"})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "invalid_parameter")
    assert "recurring_pre_tax_amount" in error["message"]
