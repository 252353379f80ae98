"""Wherever a product is answered its name stands beside its id: what Dodo's API calls it now."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from api.queries import product_names
from api.queries.database import Database
from domain.look import Look
from ledger.application import Ledger
from tests.support.histories import delivery
from tests.support.http_server import copied, served
from tests.support.keys import client_with, made
from tests.support.projected import project, record
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postgres.statement import Row, Statement
    from tests.support.http_server import Served

HOSTILE = "Pro\x1b[31m <!channel> =1+1"
NAMES = {("bus_1", "pdt_1"): "Pro", ("bus_1", "pdt_2"): HOSTILE, ("bus_2", "pdt_1"): "Other"}
TOLD: dict[str, dict[str, Any]] = {
    "subscription.active": {
        "subscription_id": "sub_1",
        "product_id": "pdt_1",
        "status": "active",
        "scheduled_change": {"id": "chg_1", "product_id": "pdt_2"},
    },
    "payment.succeeded": {
        "payment_id": "pay_1",
        "status": "succeeded",
        "product_cart": [
            {"product_id": "pdt_2", "quantity": 1},
            {"product_id": "pdt_never", "quantity": 2},
        ],
    },
    "license_key.created": {"id": "lic_1", "product_id": "pdt_1", "status": "active"},
}


@pytest.fixture(scope="module")
def database_of_two(cluster: str, template: str) -> Iterator[str]:
    with copied(cluster, template) as conninfo:
        record(
            conninfo,
            [
                _webhook(business, type_, data)
                for business in ("bus_1", "bus_2")
                for type_, data in TOLD.items()
            ],
        )
        look(conninfo, NAMES)
        project(conninfo)
        yield conninfo


@pytest.fixture(scope="module")
def server(database_of_two: str) -> Iterator[Served]:
    with served(database_of_two) as running:
        yield running


def _webhook(business: str, type_: str, data: dict[str, Any], minute: int = 0) -> Any:  # noqa: ANN401
    own = {
        name: value.replace("_1", f"_{business}")
        for name, value in data.items()
        if name in {"subscription_id", "payment_id", "id"}
    }
    customer = {"customer": {"customer_id": "cus_1"}, "customer_id": "cus_1"}
    body = {
        "business_id": business,
        "type": type_,
        "timestamp": f"2026-05-01T00:{minute:02}:00Z",
        "data": data | own | customer,
    }
    return delivery(json.dumps(body).encode(), f"msg_{business}_{type_}")


def look(conninfo: str, names: dict[tuple[str, str], str]) -> None:
    with Ledger(conninfo) as ledger:
        ledger.observe(
            [
                Look(
                    kind="product",
                    business_id=business_id,
                    at=datetime.now(UTC),
                    endpoint="GET /products",
                    data=json.dumps({"product_id": product_id, "name": name}).encode(),
                )
                for (business_id, product_id), name in names.items()
            ]
        )


def test_objects_name_their_products_one_by_one_in_lists_and_in_the_past(server: Served) -> None:
    at = "2026-05-02T00:00:00Z"
    no_past: dict[str, str] = {}
    for past in (no_past, {"as_of": at}):
        wanted: dict[str, dict[str, Any]] = {
            "subscriptions": {"product_name": "Pro"},
            "payments": {"product_names": [HOSTILE, None]},
            "license_keys": {"product_name": "Pro"},
        }
        for resource, fields in wanted.items():
            (listed,) = server.get(f"/v1/{resource}", business_id="bus_1", **past)["items"]
            id_ = {"subscriptions": "sub_", "payments": "pay_", "license_keys": "lic_"}[resource]
            got = server.get(f"/v1/{resource}/{id_}bus_1", **past)
            assert got == listed
            assert {name: listed[name] for name in fields} == fields
    subscription = server.get("/v1/subscriptions/sub_bus_1")
    assert subscription["scheduled_change"]["product_name"] == HOSTILE
    cart = server.get("/v1/payments/pay_bus_1")["cart"]
    assert [(one["product_id"], one["quantity"], one["product_name"]) for one in cart] == [
        ("pdt_2", 1, HOSTILE),
        ("pdt_never", 2, None),
    ]


def test_every_business_has_names_of_its_own(server: Served) -> None:
    names = {
        one["business_id"]: one["product_name"] for one in server.get("/v1/subscriptions")["items"]
    }
    assert names == {"bus_1": "Pro", "bus_2": "Other"}


def test_a_lifecycle_state_and_access_name_the_products(database_of_two: str) -> None:
    key = made(database_of_two, "of bus_1", "read", "personal", "access", business_id="bus_1")
    with (
        served(database_of_two, api_key="k" * 40) as guarded,
        client_with(key, guarded.url) as client,
    ):
        lifecycle = client.get("/v1/customers/cus_1/lifecycle").json()
        assert lifecycle["subscriptions"][0]["product_name"] == "Pro"
        assert lifecycle["payments"][0]["product_names"] == [HOSTILE, None]
        assert lifecycle["license_keys"][0]["product_name"] == "Pro"
        state = client.get("/v1/customers/cus_1/state").json()
        assert state["active"][0]["product_name"] == "Pro"
        assert state["bought_once"][0]["product_names"] == [HOSTILE, None]
        assert state["license_keys"][0]["product_name"] == "Pro"
        own = {"pdt_1": "Pro", "pdt_2": HOSTILE, "pdt_never": None}
        assert {one["product_id"]: one["product_name"] for one in state["products"]} == own
        for query in ({"product_id": "pdt_1"}, {}):
            access = client.get("/v1/access", params={"customer_id": "cus_1", **query}).json()
            assert access["product_name"] == ("Pro" if query else None)
            for one in access["rests_on"]:
                names = dict(zip(one["product_ids"], one["product_names"], strict=True))
                assert (
                    names.items() <= {"pdt_1": "Pro", "pdt_2": HOSTILE, "pdt_never": None}.items()
                )


def test_what_changed_names_the_products(database: str) -> None:
    scheduled = {"id": "chg_1", "product_id": "pdt_2"}
    told: list[tuple[str, dict[str, Any]]] = [
        ("active", {"product_id": "pdt_1", "scheduled_change": None}),
        ("renewed", {"product_id": "pdt_1", "scheduled_change": scheduled}),
        ("plan_changed", {"product_id": "pdt_2", "scheduled_change": None}),
        ("cancelled", {"product_id": "pdt_2", "scheduled_change": None}),
        ("on_hold", {"product_id": "pdt_never", "quantity": 2}),
    ]
    record(
        database,
        [
            _webhook(business, f"subscription.{word}", {"subscription_id": "sub_1"} | data, minute)
            for business in ("bus_1", "bus_2")
            for minute, (word, data) in enumerate(told)
        ],
    )
    look(database, NAMES)
    project(database)
    to_come = ("scheduled_change", None, HOSTILE), ("scheduled_change", HOSTILE, None)
    changed = [
        ("product_id", "Pro", HOSTILE),
        ("product_id", HOSTILE, None),
        ("quantity", None, None),
    ]
    with served(database) as server:
        own = _changes(server.get("/v1/subscriptions/sub_bus_1/timeline"))
        assert sorted(own, key=repr) == sorted([*to_come, *changed], key=repr)
        then = server.get("/v1/subscriptions/sub_bus_1/timeline", as_of="2026-05-02T00:00:00Z")
        assert _changes(then) == own
        other = _changes(server.get("/v1/subscriptions/sub_bus_2/timeline"))
        assert [one for one in other if one[0] == "product_id"] == [
            ("product_id", "Other", None),
            ("product_id", None, None),
        ]
        for path in ("timeline", "lifecycle"):
            of_both = _changes(server.get(f"/v1/customers/cus_1/{path}"))
            assert sorted(of_both, key=repr) == sorted([*own, *other], key=repr)
        refused = _changes(server.get("/v1/refusals"))
        assert [one for one in refused if one[1]] == [("product_id", HOSTILE, None)]
        notable = _changes({"items": server.get("/v1/customers/cus_1/lifecycle")["notable"]})
        assert ("product_id", HOSTILE, None) in notable


def _changes(page: dict[str, Any]) -> list[tuple[str, str | None, str | None]]:
    return [
        (change["field"], change["from_product_name"], change["to_product_name"])
        for entry in page["items"]
        for change in entry["changes"]
    ]


def test_what_was_never_bought_is_told_by_its_id(server: Served) -> None:
    found = server.get("/v1/access", customer_id="cus_1", product_id="pdt_9")
    assert found["reason"]["text"] == "Product pdt_9 was never bought."


def test_a_new_name_is_told_soon(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(product_names, "KEPT_S", 0.01)
    record(database, [_webhook("bus_1", type_, data) for type_, data in TOLD.items()])
    project(database)
    with served(database) as server:
        assert server.get("/v1/subscriptions/sub_bus_1")["product_name"] is None
        look(database, NAMES)
        until(lambda: server.get("/v1/subscriptions/sub_bus_1")["product_name"] == "Pro")


def test_a_name_is_kept_for_a_moment_and_no_more_than_so_many(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(database, NAMES)
    project(database)
    monkeypatch.setattr(product_names, "KEPT_MAX", 2)

    async def asked() -> tuple[int, dict[tuple[str, str], str | None]]:
        base, count = Database(database), 0

        async def rows(statement: Statement) -> list[Row]:
            nonlocal count
            count += 1
            return await Database.rows(base, statement)

        monkeypatch.setattr(base, "rows", rows)
        names = product_names.ProductNames(base)
        try:
            for _ in range(3):
                await names.of([("bus_1", "pdt_1"), ("bus_1", "pdt_never")])
            return count, dict(await names.of(NAMES))
        finally:
            await base.close()

    count, found = asyncio.run(asked())
    assert (count, found) == (1, NAMES)
