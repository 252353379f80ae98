"""Every body that Dodo may send, and many that it should not, through one running server."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.support.embedded_users import home_of
from tests.support.http_server import asked
from tests.support.mutations import FLOODED, bodies, flooded
from tests.support.program import Program, has_caught_up, posted, serving
from tests.support.samples import rehearsals, samples
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENDPOINTS = {
    "subscription": ("subscriptions", "subscription_id"),
    "payment": ("payments", "payment_id"),
    "refund": ("refunds", "refund_id"),
    "dispute": ("disputes", "dispute_id"),
    "license_key": ("license_keys", "id"),
    "entitlement_grant": ("entitlement_grants", "id"),
    "credit": ("credits", "id"),
    "dunning": ("dunnings", "id"),
    "abandoned_checkout": ("abandoned_checkouts", "payment_id"),
    "payout": ("payouts", "payout_id"),
}
ACTIONS = {
    "subscription": "active updated on_hold renewed plan_changed cancelled failed expired"
    " past_due paused unpaused update_payment_method",
    "payment": "succeeded failed processing cancelled",
    "refund": "succeeded failed",
    "dispute": "opened expired accepted cancelled challenged won lost",
    "license_key": "created",
    "entitlement_grant": "created delivered failed revoked",
    "credit": "added deducted expired rolled_over rollover_forfeited overage_charged overage_reset"
    " manual_adjustment balance_low",
    "dunning": "started recovered",
    "abandoned_checkout": "detected recovered",
    "payout": "created not_initiated on_hold in_progress failed success",
}
TAKEN = {f"{kind}.{action}" for kind, actions in ACTIONS.items() for action in actions.split()}
LISTS = [*(f"/v1/{resource}" for resource, _ in ENDPOINTS.values()), "/v1/refusals", "/v1/events"]
SAMPLES = samples() | rehearsals()

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server(migrated_home: Path) -> Iterator[Program]:
    with home_of(None, migrated_home) as home, serving(home) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Program) -> Iterator[httpx.Client]:
    with server.client() as made:
        yield made


def deliver(client: httpx.Client, body: bytes, webhook_id: str) -> int:
    """Deliver a body, and wait until the read models show it."""
    response = posted(client, body, webhook_id)
    assert response.status_code == 200, response.text
    position = int(response.json()["position"])
    until(lambda: is_shown(client, position))
    return position


def is_shown(client: httpx.Client, position: int) -> bool:
    """Ask for what is as new as a position; a follower that is stuck will never get there."""
    response = client.get("/v1/events", params={"min_position": position, "limit": 1})
    if response.status_code == 200:
        return True
    assert response.json()["error"]["code"] == "not_yet"
    ready = client.get("/readyz")
    assert ready.status_code == 200, ready.text
    return False


def event(client: httpx.Client, webhook_id: str) -> Any:  # noqa: ANN401 -- JSON
    return asked(client, f"/v1/events/{quote(webhook_id, safe='')}")


def pages(client: httpx.Client, path: str) -> list[Any]:
    items: list[Any] = []
    query: dict[str, str | int] = {"limit": 100}
    while True:
        page = asked(client, path, **query)
        items += page["items"]
        if page["next"] is None:
            return items
        query["cursor"] = page["next"]


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_stored_verbatim_and_answered_for(client: httpx.Client, name: str) -> None:
    body, webhook_id = SAMPLES[name], f"msg_{name}"
    position = deliver(client, body, webhook_id)
    assert event(client, webhook_id)["body"].encode() == body
    said = json.loads(body)
    if said["type"] in TAKEN:
        check_object(client, webhook_id, said)
    else:
        check_notice(client, webhook_id, said, position)


def named(data: dict[str, Any], kind: str) -> Any:  # noqa: ANN401 -- JSON
    """Return the id of a thing; two kinds have none of their own."""
    if kind == "credit":
        return f"{data['customer_id']}/{data['credit_entitlement_id']}"
    if kind == "dunning":
        return f"{data['subscription_id']}/{data['created_at']}"
    return data[ENDPOINTS[kind][1]]


def check_object(client: httpx.Client, webhook_id: str, said: dict[str, Any]) -> None:
    kind = said["type"].partition(".")[0]
    resource, id_field = ENDPOINTS[kind]
    object_id = named(said["data"], kind)
    path = f"/v1/{resource}/{quote(object_id, safe='')}"
    found = asked(client, path)
    assert (found[id_field], found["business_id"]) == (object_id, said["business_id"])
    assert found in asked(client, f"/v1/{resource}", limit=100)["items"]
    facts = asked(client, f"{path}/timeline", limit=100)["items"]
    (fact,) = (fact for fact in facts if fact["webhook_id"] == webhook_id)
    assert (fact["kind"], fact["id"], fact["type"]) == (kind, object_id, said["type"])
    assert fact["verdict"] in {"applied", "unchanged", "refused"}


def check_notice(
    client: httpx.Client, webhook_id: str, said: dict[str, Any], position: int
) -> None:
    listed = asked(client, "/v1/events", type=said["type"], after=position - 1)["items"][0]
    assert (listed["webhook_id"], listed["position"]) == (webhook_id, str(position))
    assert listed["aggregate_id"] == f"notice/{webhook_id}"


@pytest.mark.parametrize(
    "webhook_id",
    [
        "msg_a/timeline",
        "msg_a%2Fb",
        "msg_a?b=c#d",
        "msg a  b",
        "../../healthz",
        "\"'\\;--",
        "m" * 200,
    ],
)
def test_an_odd_webhook_id_is_a_name_like_any_other(client: httpx.Client, webhook_id: str) -> None:
    body = SAMPLES["subscription.active"]
    position = deliver(client, body, webhook_id)
    found = event(client, webhook_id)
    assert (found["body"].encode(), found["position"]) == (body, str(position))
    facts = asked(client, f"/v1/subscriptions/{found['aggregate_id'].split('/')[2]}/timeline")
    assert webhook_id in {fact["webhook_id"] for fact in facts["items"]}


@pytest.mark.parametrize("type_", FLOODED)
def test_a_body_full_of_odd_values_is_answered_for(client: httpx.Client, type_: str) -> None:
    resource, id_field = ENDPOINTS[type_.partition(".")[0]]
    for body in flooded(type_):
        webhook_id = f"msg_flooded_{next(_numbers)}"
        deliver(client, body, webhook_id)
        assert event(client, webhook_id)["body"].encode() == body
        object_id = json.loads(body)["data"][id_field]
        assert asked(client, f"/v1/{resource}/{object_id}")[id_field] == object_id


def test_whatever_the_body_is_it_is_kept_and_nothing_gets_stuck(
    server: Program, client: httpx.Client
) -> None:
    # A server that one body breaks is broken for the next: there is nothing to shrink.
    @settings(
        max_examples=200,
        deadline=None,
        phases=[Phase.generate],
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(bodies())
    def check(body: bytes) -> None:
        webhook_id = f"msg_mutated_{next(_numbers)}"
        deliver(client, body, webhook_id)
        assert event(client, webhook_id)["body"].encode() == body

    check()
    until(lambda: has_caught_up(client))
    for path in LISTS:
        pages(client, path)
    assert "defect" not in server.said
    assert "cannot" not in server.said
    assert "Traceback" not in server.said
    assert " ERROR " not in server.said
