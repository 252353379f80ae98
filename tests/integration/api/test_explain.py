"""Explanations over real HTTP agree with the objects, also where a payment has to be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.histories import said
from tests.support.http_server import Served, copied, served
from tests.support.projected import record

if TYPE_CHECKING:
    from collections.abc import Iterator

BEFORE, AFTER = "2026-05-01T12:00:30Z", "2026-05-01T12:10:00Z"
DEPENDENT = {"refunds": "ref_1", "disputes": "dp_1"}
PAID = {"payment_id": "pay_1", "customer": {"customer_id": "cus_1"}}


@pytest.fixture(scope="module")
def server(cluster: str, template: str) -> Iterator[Served]:
    """A server that knows a refund and a dispute before their payment, and none's customer."""
    about = {"payment_id": "pay_1"}
    told = [
        said("refund.succeeded", 0, "msg_1", **about, refund_id="ref_1"),
        said("dispute.opened", 0, "msg_2", **about, dispute_id="dp_1"),
        said("dispute.opened", 0, "msg_3", dispute_id="dp_2"),
        said("license_key.created", 0, "msg_4", **about, id="lic_1"),
    ]
    with copied(cluster, template) as conninfo:
        record(conninfo, told)
        record(conninfo, [said("payment.succeeded", 1, "msg_5", **PAID)])
        with served(conninfo) as running:
            running.get("/v1/refusals", min_position="5")
            yield running


def explained(server: Served, path: str, **query: str) -> Any:  # noqa: ANN401 -- JSON
    return server.get(f"{path}/explain", field="customer_id", **query)


@pytest.mark.parametrize("resource", DEPENDENT)
def test_a_customer_through_the_payment_is_explained_by_the_payment(
    server: Served, resource: str
) -> None:
    path = f"/v1/{resource}/{DEPENDENT[resource]}"
    found = explained(server, path)
    assert found["value"] == server.get(path)["customer_id"] == "cus_1"
    assert [source["webhook_id"] for source in found["set_by"]] == ["msg_5"]
    assert found["note"] == "Its own data does not say it; it is its payment's (pay_1)."


@pytest.mark.parametrize("resource", DEPENDENT)
def test_before_the_payment_nothing_says_the_customer(server: Served, resource: str) -> None:
    path = f"/v1/{resource}/{DEPENDENT[resource]}"
    (event,) = server.get("/v1/events", after="3", limit=1)["items"]
    for then in ({"as_of": BEFORE}, {"known_at": event["recorded_at"]}):
        found = explained(server, path, **then)
        assert found["value"] is server.get(path, **then)["customer_id"] is None
        assert (found["set_by"], found["note"]) == ([], "No delivery has said it.")
    assert explained(server, path, as_of=AFTER)["value"] == "cus_1"


def test_what_names_no_payment_is_explained_by_itself(server: Served) -> None:
    found = explained(server, "/v1/disputes/dp_2")
    assert (found["value"], found["note"]) == (None, "No delivery has said it.")


def test_a_licence_keys_customer_is_its_own(server: Served) -> None:
    found = explained(server, "/v1/license_keys/lic_1")
    assert found["value"] is server.get("/v1/license_keys/lic_1")["customer_id"] is None
