"""What looks tell, in the tables and over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest

from domain.look import Look
from ledger.application import Ledger
from projections.read_models.catalogue import READ_MODELS
from projections.rebuild.rebuild import rebuild
from telemetry.progress import silent
from tests.support.deliveries import receipts
from tests.support.histories import NOON, said
from tests.support.http_server import Served, copied, served
from tests.support.projected import project

if TYPE_CHECKING:
    from collections.abc import Iterator

ANN: Final[dict[str, Any]] = {
    "customer_id": "cus_ann",
    "email": "ann@example.com",
    "name": "Ann",
    "metadata": {"userId": "7"},
}
PRICE = {"type": "recurring_price", "price": 900, "currency": "USD", "tax_inclusive": False}
LOOKED = (NOON + timedelta(minutes=30)).isoformat()


def look(kind: str, minute: int = 30, *, gone: bool = False, **data: object) -> Look:
    return Look(
        kind=kind,
        business_id="bus_1",
        at=NOON + timedelta(minutes=minute),
        endpoint=f"GET /{kind}s",
        data=None if gone else msgspec.json.encode(data),
        asked={name: str(value) for name, value in data.items()} if gone else {},
    )


@pytest.fixture(scope="module")
def shop(cluster: str, template: str) -> Iterator[Served]:
    """A server that knows a customer, a product and what became of a subscription by looks."""
    begun = said("subscription.active", 0, "msg_1", subscription_id="sub_1", status="active")
    with copied(cluster, template) as conninfo:
        with Ledger(conninfo) as ledger:
            receipts(ledger.record([begun]))
            ledger.observe(
                [
                    look("customer", created_at="2026-01-01T00:00:00Z", **ANN),
                    look("product", product_id="pdt_1", name="Pro", price=900, price_detail=PRICE),
                    look("product", 40, product_id="pdt_1", name="Pro 2", price=1200),
                    look("subscription", subscription_id="sub_1", status="cancelled"),
                    look("subscription", 50, gone=True, subscription_id="sub_1"),
                ]
            )
        project(conninfo)
        with served(conninfo) as running:
            yield running


def test_a_customer_who_has_bought_nothing_is_known(shop: Served) -> None:
    (found,) = shop.get("/v1/customers")["items"]
    assert (found["customer_id"], found["email"], found["name"]) == ("cus_ann", ANN["email"], "Ann")
    assert found["first_seen_at"] == "2026-01-01T00:00:00Z"
    assert (found["payments"], found["subscriptions"]) == (0, 0)
    assert found["sources"]["email"]["webhook_id"].startswith("raphus_look_")
    assert shop.get("/v1/customers/cus_ann") == found
    for asked in ({"email": "ANN@example.com"}, {"external_id": "7"}):
        assert shop.get("/v1/customers", **asked)["items"] == [found]


def test_the_customer_is_known_from_the_look_on_and_not_before(shop: Served) -> None:
    now = shop.get("/v1/customers/cus_ann")
    assert shop.get("/v1/customers/cus_ann", as_of=LOOKED) == now
    status, _ = shop.refused("/v1/customers/cus_ann", as_of=NOON.isoformat())
    assert status == 404
    (line,) = shop.get("/v1/customers/cus_ann/lifecycle")["items"]
    assert (line["type"], line["verdict"], line["late_s"]) == (
        "raphus.customer_observed",
        None,
        None,
    )


def test_a_product_is_listed_with_its_price_and_was_what_it_was(shop: Served) -> None:
    (found,) = shop.get("/v1/products")["items"]
    assert (found["product_id"], found["name"], found["price"]) == ("pdt_1", "Pro 2", 1200)
    before = shop.get("/v1/products/pdt_1", as_of=LOOKED)
    assert (before["name"], before["price"], before["currency"]) == ("Pro", 900, "USD")
    assert shop.get("/v1/products", as_of=LOOKED)["items"] == [before]
    told = shop.get("/v1/products/pdt_1/explain", field="price")
    assert told["value"] == 1200
    assert told["set_by"][0]["role"] == "observation"
    changes = [line["changes"] for line in shop.get("/v1/products/pdt_1/timeline")["items"]]
    assert {one["field"] for one in changes[1]} == {"name", "price"}


def test_a_lost_webhook_is_settled_and_what_is_gone_is_marked(shop: Served) -> None:
    found = shop.get("/v1/subscriptions/sub_1")
    assert (found["status"], found["history"], found["drift"]) == ("cancelled", "settled", None)
    assert found["missing_since"] == "2026-05-01T12:50:00Z"
    why = shop.get("/v1/subscriptions/sub_1/explain", field="status")
    assert why["set_by"][0]["type"] == "raphus.subscription_observed"
    types = [line["type"] for line in shop.get("/v1/subscriptions/sub_1/timeline")["items"]]
    assert types == [
        "subscription.active",
        "raphus.subscription_observed",
        "raphus.subscription_missing",
    ]


def test_access_names_the_last_webhook_of_the_business_which_is_no_look(shop: Served) -> None:
    told = shop.get("/v1/access", customer_id="cus_ann")
    assert "msg_1" in str(told)
    assert "raphus_look_" not in str(told["freshness"])


def test_a_rebuild_finds_the_tables_as_it_would_write_them(database: str) -> None:
    with Ledger(database) as ledger:
        ledger.observe([look("customer", **ANN), look("product", product_id="pdt_1", price=900)])
        ledger.observe([look("customer", 40, gone=True, customer_id="cus_ann")])
    project(database)
    assert rebuild(database, READ_MODELS, check=True, progress=silent).equal
