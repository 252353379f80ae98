"""The list of erasures over real HTTP: what has come since, and how much a page reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ledger.erasure import Request
from tests.support.histories import said
from tests.support.http_server import Served, served
from tests.support.projected import record
from workflows.erasure import forget

if TYPE_CHECKING:
    from collections.abc import Iterator

    from domain.delivery import Delivery

HIM = {"customer_id": "cus_1", "email": "jane@example.com"}
OTHER = {"customer_id": "cus_2", "email": "other@example.com"}


@pytest.fixture
def server(database: str) -> Iterator[Served]:
    with served(database) as running:
        yield running


def take(server: Served, database: str, *deliveries: Delivery) -> None:
    """Record deliveries, and wait until the read models show them."""
    record(database, deliveries)
    server.get("/v1/refusals", min_position=server.get("/readyz")["log_position"])


def erase(database: str, customer_id: str) -> None:
    forget(database, Request(customer_id, None, "he asked", None))


def renewed(minute: int, **data: object) -> Delivery:
    return said("subscription.renewed", minute, None, subscription_id="sub_1", **data)


def test_of_what_two_customers_share_only_what_is_not_the_others_has_come_since(
    server: Served, database: str
) -> None:
    take(server, database, renewed(0, customer=HIM), renewed(1, customer=OTHER))
    erase(database, "cus_1")
    erase(database, "cus_2")
    take(
        server,
        database,
        renewed(2, customer=OTHER, metadata={"customer_id": "cus_1"}),
        renewed(3, customer=OTHER),
        renewed(4),
        renewed(5, customer=HIM),
    )
    items = server.get("/v1/erasures")["items"]
    since = {one["customer_id"]: one["arrived_since"] for one in items}
    # What names nobody may be about either.
    assert since == {"cus_1": 2, "cus_2": 3}


def test_what_comes_of_a_customer_alone_is_counted_whole(server: Served, database: str) -> None:
    take(server, database, renewed(0, customer=HIM))
    erase(database, "cus_1")
    named = said("never.heard_of", 3, None, customer=HIM)
    take(server, database, renewed(1, customer=HIM), renewed(2), named)
    (one,) = server.get("/v1/erasures")["items"]
    assert one["arrived_since"] == 3


def test_a_page_is_shorter_where_its_erasures_are_large(
    server: Served, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        name = f"cus_{number}"
        about = {"payment_id": f"pay_{number}", "customer": HIM | {"customer_id": name}}
        take(server, database, said("payment.succeeded", number, None, **about))
        erase(database, name)

    def pages(limit: int) -> list[list[str]]:
        found: list[list[str]] = []
        cursor: dict[str, str] = {}
        while True:
            page = server.get("/v1/erasures", limit=limit, **cursor)
            found.append([one["customer_id"] for one in page["items"]])
            if page["next"] is None:
                return found
            cursor = {"cursor": page["next"]}

    assert pages(3) == [["cus_2", "cus_1", "cus_0"]]
    assert pages(2) == [["cus_2", "cus_1"], ["cus_0"]]
    monkeypatch.setattr("ledger.erasures_list.PAGE_BYTES_MAX", 1)
    assert pages(3) == [["cus_2"], ["cus_1"], ["cus_0"]]
