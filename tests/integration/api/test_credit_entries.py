"""The entries of a ledger of credits, page by page, now and at every time, over HTTP and typed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.histories import said
from tests.support.http_server import Served, copied, served
from tests.support.program import environment, raphus
from tests.support.projected import project, record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from domain.delivery import Delivery

ACCOUNT = {"customer_id": "cus_1", "credit_entitlement_id": "cde_1"}
PATH = "/v1/credits/cus_1/cde_1/entries"


def entry(word: str, minute: int, number: int, *balances: int, **other: object) -> Delivery:
    """Say an entry that leads from one balance to another."""
    before, after = balances
    said_of_it = {
        **ACCOUNT,
        "id": f"cdl_{number}",
        "created_at": f"2026-05-01T12:{minute:02}:00Z",
        "amount": str(abs(after - before)),
        "is_credit": after > before,
        "balance_before": str(before),
        "balance_after": str(after),
        "overage_before": "0",
        "overage_after": "0",
        "description": "for Ann",
        **other,
    }
    return said(f"credit.{word}", minute, f"msg_{number}", **said_of_it)


TOLD = [
    entry("deducted", 5, 3, 100, 30),
    entry("added", 1, 9, 0, 100),
    # Of one instant, the order is that of their types: what is left is carried over, and then used.
    entry("deducted", 7, 1, 60, 0),
    entry("rolled_over", 7, 2, 30, 60),
    said("credit.balance_low", 6, "msg_low", available_balance="30", **ACCOUNT),
    said("credit.balance_low", 6, "msg_other", customer_id="cus_2", credit_entitlement_id="cde_1"),
]
IN_ORDER = ["cdl_9", "cdl_3", "cdl_2", "cdl_1"]


@pytest.fixture(scope="module")
def told(cluster: str, template: str) -> Iterator[str]:
    with copied(cluster, template) as conninfo:
        record(conninfo, TOLD)
        project(conninfo)
        yield conninfo


@pytest.fixture(scope="module")
def server(told: str) -> Iterator[Served]:
    with served(told) as running:
        running.get("/v1/refusals", min_position=str(len(TOLD)))
        yield running


def ids(page: Any) -> list[str]:  # noqa: ANN401 -- JSON
    return [one["id"] for one in page["items"]]


def test_entries_are_listed_in_the_order_in_which_they_were_made(server: Served) -> None:
    whole = server.get(PATH)
    assert (ids(whole), whole["next"]) == (IN_ORDER, None)
    assert whole["items"][1] == {
        "business_id": "bus_1",
        "customer_id": "cus_1",
        "credit_entitlement_id": "cde_1",
        "id": "cdl_3",
        "position": "1",
        "webhook_id": "msg_3",
        "type": "credit.deducted",
        "created_at": "2026-05-01T12:05:00Z",
        "transaction_type": None,
        "amount": "-70",
        "balance_change": "-70",
        "overage_change": "0",
        "balance_before": "100",
        "balance_after": "30",
        "overage_before": "0",
        "overage_after": "0",
        "reference_type": None,
        "reference_id": None,
        "grant_id": None,
        "description": "for Ann",
        "anomaly": None,
    }


@pytest.mark.parametrize("then", [{}, {"as_of": "2026-05-01T13:00:00Z"}])
@pytest.mark.parametrize("limit", [1, 2, 3, 4])
def test_pages_join_to_the_whole(server: Served, limit: int, then: dict[str, str]) -> None:
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = server.get(PATH, limit=limit, **then, **cursor)
        assert len(page["items"]) <= limit
        found += ids(page)
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert found == IN_ORDER


def test_the_past_has_the_entries_that_had_been_made_and_told_by_then(server: Served) -> None:
    assert ids(server.get(PATH, as_of="2026-05-01T12:05:30Z")) == IN_ORDER[:2]
    assert ids(server.get(PATH, as_of="2026-04-30T12:00:00Z")) == []
    recorded = server.get("/v1/events", limit=100)["items"]
    assert ids(server.get(PATH, known_at=recorded[-1]["recorded_at"])) == IN_ORDER
    # By the past and by now the same is said of an entry.
    assert server.get(PATH, as_of="2026-05-01T13:00:00Z") == server.get(PATH)


def test_an_account_without_entries_has_none_and_an_unknown_one_is_told(server: Served) -> None:
    assert server.get("/v1/credits/cus_2/cde_1/entries") == {"items": [], "next": None}
    for then in ({}, {"as_of": "2026-05-01T13:00:00Z"}):
        refused = server.refused("/v1/credits/cus_3/cde_1/entries", **then)
        assert refused == (404, "not_found")


def test_the_command_line_lists_them_too(told: str, tmp_path: Path) -> None:
    env = environment(tmp_path, DATABASE_URL=told)
    shown = raphus("list", "credit_entries", "cus_1/cde_1", env=env)
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert [next(one for one in line.split() if one.startswith("cdl_")) for line in lines[1:]] == (
        IN_ORDER
    )
    assert "+100" in lines[1]
    asked = "list", "credit_entries", "cus_1/cde_1", "--json", "--limit", "2"
    assert ids(json.loads(raphus(*asked, env=env).stdout)) == IN_ORDER[:2]
