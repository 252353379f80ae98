"""Rows for each customer and each subscription, alike in PostgreSQL and in MariaDB."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.mariadb import mariadb, mysql_rows
from tests.support.samples import sample
from tests.support.scripts import (
    at,
    began,
    held,
    resource_of,
    rows,
    run,
    script,
    sent,
    subscription,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.samples import Body

HOSTILE = "Robert'); DROP TABLE raphus_customers;-- \\ ` 😀"


class Place:
    """A database of a merchant's, and the script that writes to it."""

    def __init__(self, script: str, resource: dict[str, Any], read: Callable[[str], Any]) -> None:
        self.script, self.resource, self.read = script, resource, read

    def run(self, *bodies: Body) -> dict[str, Any]:
        """Run the script for the last of these events; tell what it wrote."""
        return run(self.script, sent("state", *bodies), database=self.resource)


@pytest.fixture(scope="module")
def mysql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    with mariadb(tmp_path_factory.mktemp("mariadb")) as resource:
        yield resource


@pytest.fixture(params=["postgres", "mysql"])
def place(request: pytest.FixtureRequest) -> Place:
    if request.param == "mysql":
        resource = request.getfixturevalue("mysql")
        for table in ("raphus_customers", "raphus_subscriptions"):
            drop(resource, table)
        return Place("upsert_customer_mysql", resource, lambda name: mysql_rows(resource, name))
    database = request.getfixturevalue("database")
    return Place("upsert_customer", resource_of(database), lambda name: rows(database, name))


def drop(resource: dict[str, Any], table: str) -> None:
    with script("mysql").connect(resource) as conn, conn.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {table}")


def test_a_subscription_has_a_row_and_so_has_its_customer(place: Place) -> None:
    active = sample("subscription.active")
    told = place.run(active)
    assert told == {"raphus_customers": True, "raphus_subscriptions": True}
    place.run(active)
    state = sent("state", active)["state"]
    (row,) = place.read("raphus_subscriptions")
    same = ("subscription_id", "status", "currency", "recurring_pre_tax_amount", "quantity")
    assert {name: row[name] for name in same} == {name: state[name] for name in same}
    due = datetime.fromisoformat(state["next_billing_date"])
    assert row["next_billing_date"].replace(tzinfo=row["next_billing_date"].tzinfo or UTC) == due
    (customer,) = place.read("raphus_customers")
    assert customer["email"] == "customer-17@shop.example"
    assert customer["customer_id"] == state["customer_id"] == row["customer_id"]


def test_who_buys_once_has_a_row_too(place: Place) -> None:
    bought = sample("payment.succeeded--product-cart-list")
    assert place.run(bought) == {"raphus_customers": True}
    (customer,) = place.read("raphus_customers")
    assert customer["name"] == bought["data"]["customer"]["name"]  # type: ignore[index, call-overload]


def test_an_older_event_overwrites_nothing(place: Place) -> None:
    place.run(began(), held())
    assert place.run(began()) == {"raphus_customers": False, "raphus_subscriptions": False}
    (row,) = place.read("raphus_subscriptions")
    assert (row["status"], row["quantity"]) == ("on_hold", 2)


def test_what_a_later_event_does_not_tell_of_a_customer_stays(place: Place) -> None:
    customer = {"customer_id": "cus_1", "email": "customer-1@shop.example", "name": "Customer 1"}
    first = subscription("active", "2026-04-01T00:00:00Z", customer=customer)
    place.run(first)
    place.run(first, subscription("on_hold", "2026-05-01T00:00:00Z", customer=None))
    (row,) = place.read("raphus_customers")
    assert (row["email"], row["name"], row["position"]) == (*list(customer.values())[1:], 2)


def test_what_buyers_write_is_a_value_and_nothing_else(place: Place) -> None:
    bought = sample("payment.succeeded")
    bought["data"]["customer"]["name"] = HOSTILE  # type: ignore[index, call-overload]
    place.run(bought)
    (row,) = place.read("raphus_customers")
    assert row["name"] == HOSTILE


def test_the_first_jobs_may_come_at_once(place: Place) -> None:
    bodies = [
        subscription("active", "2026-04-01T00:00:00Z", subscription_id=f"sub_{n}") for n in range(8)
    ]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(place.run, bodies))
    assert len(place.read("raphus_subscriptions")) == 8
    assert len(place.read("raphus_customers")) == 1


def test_what_is_about_nobody_leaves_no_row(place: Place) -> None:
    assert place.run(sample("payout.success")) == {}
    assert place.run(at(sample("payment.succeeded--customer-null"), "2026-05-01T00:00:00Z")) == {}
