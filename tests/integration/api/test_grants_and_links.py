"""What names a subscription or a payment is on its timeline; a licence key follows its grant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from domain.aggregates import routing
from tests.support.histories import said
from tests.support.http_server import Served, served
from tests.support.projected import project, record

if TYPE_CHECKING:
    from collections.abc import Iterator

LATE = frozenset(
    type_ for type_ in routing.types_taken() if type_.startswith(("entitlement_grant.", "dunning."))
)
KEY = {"license_key": {"id": "lic_1", "key": "SECRET17", "status": "active"}}
GRANT = {"id": "grant_1", "customer_id": "cus_1", "subscription_id": "sub_1"}
BOTH = {"subscription_id": None, "subscription_ids": ["sub_1", "sub_2"], "total_amount": 900}
MEANWHILE = "2026-05-01T12:04:30Z"
TOLD = [
    said("subscription.active", 0, "msg_1", subscription_id="sub_1"),
    said("subscription.active", 0, "msg_2", subscription_id="sub_2"),
    said("payment.succeeded", 1, "msg_3", payment_id="pay_1", currency="USD", **BOTH),
    said("license_key.created", 2, "msg_4", id="lic_1", subscription_id="sub_1"),
    said("entitlement_grant.created", 2, "msg_5", **GRANT),
    said("entitlement_grant.delivered", 3, "msg_6", **GRANT, **KEY),
    said("dunning.started", 4, "msg_7", subscription_id="sub_1", created_at="2026-05-01T12:00:00Z"),
    said("entitlement_grant.revoked", 5, "msg_8", **GRANT, revocation_reason="manual"),
    said("abandoned_checkout.recovered", 6, "msg_9", payment_id="pay_0",
         recovered_payment_id="pay_1"),
    said("refund.succeeded", 7, "msg_10", payment_id="pay_1", refund_id="ref_1"),
    said("credit.added", 8, "msg_11", customer_id="cus_1", credit_entitlement_id="cde_1",
         id="cdl_1", amount="5", is_credit=True, balance_before="0", balance_after="5",
         overage_before="0", overage_after="0", reference_type="subscription",
         reference_id="sub_1"),
]  # fmt: skip
OF_SUBSCRIPTION = ["msg_1", "msg_3", "msg_4", "msg_5", "msg_6", "msg_7", "msg_8", "msg_11"]
OF_PAYMENT = ["msg_3", "msg_9", "msg_10"]


@pytest.fixture(params=["understood", "unknown until an upgrade"])
def server(request: pytest.FixtureRequest, database: str) -> Iterator[Served]:
    """A server whose log was written while some types were unknown, and one whose was not."""
    if request.param == "understood":
        record(database, TOLD)
    else:
        known = {type_: to for type_, to in routing._TAKEN.items() if type_ not in LATE}
        with mock.patch.object(routing, "_TAKEN", known):
            record(database, TOLD)
            project(database)
        project(database)
    with served(database) as running:
        running.get("/v1/refusals", min_position=str(len(TOLD)))
        yield running


def webhooks(server: Served, path: str, **query: str) -> list[str]:
    return [line["webhook_id"] for line in server.get(path, **query)["items"]]


def test_what_names_an_object_is_on_its_timeline_at_every_time(server: Served) -> None:
    path = "/v1/subscriptions/sub_1/timeline"
    assert webhooks(server, path) == OF_SUBSCRIPTION
    assert webhooks(server, "/v1/subscriptions/sub_2/timeline") == ["msg_2", "msg_3"]
    assert webhooks(server, "/v1/payments/pay_1/timeline") == OF_PAYMENT
    assert webhooks(server, path, as_of=MEANWHILE) == OF_SUBSCRIPTION[:6]
    recorded_at = server.get("/v1/events", after="4", limit=1)["items"][0]["recorded_at"]
    known = webhooks(server, path, known_at=recorded_at)
    assert known == OF_SUBSCRIPTION[: len(known)]
    first = server.get(path, limit=3)
    rest = server.get(path, cursor=first["next"])
    assert [line["webhook_id"] for line in [*first["items"], *rest["items"]]] == OF_SUBSCRIPTION


def test_a_key_is_disabled_while_its_grant_is_revoked(server: Served) -> None:
    key = server.get("/v1/license_keys/lic_1")
    assert (key["status"], key["folded_status"]) == ("disabled", "active")
    assert server.get("/v1/license_keys/lic_1", as_of=MEANWHILE)["status"] == "active"
    for asked, expected in (({}, "disabled"), ({"as_of": MEANWHILE}, "active")):
        (listed,) = server.get("/v1/license_keys", status=expected, **asked)["items"]
        assert listed["status"] == expected
        other = "active" if expected == "disabled" else "disabled"
        assert server.get("/v1/license_keys", status=other, **asked)["items"] == []


def test_the_status_of_a_key_is_explained_by_its_grant(server: Served) -> None:
    found = server.get("/v1/license_keys/lic_1/explain", field="status")
    assert (found["value"], found["kind"]) == ("disabled", "license_key")
    assert [source["webhook_id"] for source in found["set_by"]] == ["msg_8"]
    then = server.get("/v1/license_keys/lic_1/explain", field="status", as_of=MEANWHILE)
    assert then["value"] == "active"


def test_what_was_stored_before_is_found_under_its_old_position(server: Served) -> None:
    for number, delivery in enumerate(TOLD, start=1):
        found = event(server, delivery.webhook_id)
        assert found["position"] == str(number)
        assert found["body"].encode() == delivery.body
    assert event(server, "msg_8", as_of="2026-05-01T13:00:00Z")["position"] == "8"


def event(server: Served, webhook_id: str, **query: str) -> Any:  # noqa: ANN401 -- JSON
    return server.get(f"/v1/events/{webhook_id}", **query)


def test_a_customer_has_what_names_him(server: Served) -> None:
    found = server.get("/v1/customers/cus_1/lifecycle")
    assert [one["id"] for one in found["entitlement_grants"]] == ["grant_1"]
    assert [one["balance"] for one in found["credits"]] == ["5"]
    customer = found["customer"]
    assert (customer["entitlement_grants"], customer["credits"]) == (1, 1)
    told = {line["webhook_id"] for line in found["items"]}
    assert told >= {"msg_5", "msg_6", "msg_8", "msg_11"}
    then = server.get("/v1/customers/cus_1", as_of=MEANWHILE)
    assert (then["entitlement_grants"], then["credits"]) == (1, 0)


def test_no_credential_is_answered(server: Served) -> None:
    grant = server.get("/v1/entitlement_grants/grant_1")
    assert grant["license_key_id"] == "lic_1"
    assert "SECRET17" not in str(server.get("/v1/entitlement_grants/grant_1", as_of=MEANWHILE))
