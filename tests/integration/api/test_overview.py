"""How things stand: every count is that of the list that it leads to, now and then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest

from tests.support.histories import delivery, said
from tests.support.http_server import Served, copied, served
from tests.support.keys import client_with, made
from tests.support.past import Past, told_in_halves
from tests.support.projected import few_payouts, project, record, simulated
from tests.support.rebuilds import rebuilt, tamper
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY: Final = "a-key-of-thirty-two-characters-0"
OVERVIEW: Final = "/v1/overview"


@pytest.fixture(scope="module")
def past(cluster: str, template: str) -> Iterator[Past]:
    with told_in_halves(cluster, template, few_payouts(simulated(30, seed=3))) as told:
        known = {"known_at": told.between}
        until(lambda: told.server.client.get(OVERVIEW, params=known).status_code == 200)
        yield told


def followed(server: Served, path: str) -> list[dict[str, Any]]:
    """Read all pages that a link leads to."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        response = server.client.get(f"{path}&limit=100{cursor}")
        assert response.status_code == 200, response.text
        page = response.json()
        found += page["items"]
        if page["next"] is None:
            return found
        cursor = f"&cursor={page['next']}"


def counted(found: list[dict[str, Any]], amount: str) -> list[dict[str, Any]]:
    """Add up by currency."""
    sums: dict[str, list[int]] = {}
    for one in found:
        sums.setdefault(one["currency"], []).append(one[amount] or 0)
    return [
        {"currency": name, "count": len(all_), "amount": sum(all_)} for name, all_ in sums.items()
    ]


def check(server: Served, told: dict[str, Any]) -> None:
    for name in ("active_subscriptions", "in_grace"):
        assert told[name]["count"] == len(followed(server, told[name]["made_of"]))
    for name, amount in (("open_disputes", "amount"), ("failed_payments", "total_amount")):
        found = followed(server, told[name]["made_of"])
        assert told[name]["count"] == len(found)
        told_sums = sorted(told[name]["by_currency"], key=lambda one: str(one["currency"]))
        assert told_sums == sorted(counted(found, amount), key=lambda one: str(one["currency"]))
    for one in told["anomalies"]:
        found = followed(server, one["made_of"])
        assert {each["code"] for each in found} == {one["code"]}
        assert one["count"] == len(found)


def test_every_count_of_now_is_that_of_the_list_it_leads_to(past: Past) -> None:
    told = past.server.get(OVERVIEW)
    assert told["active_subscriptions"]["count"] > 0
    assert told["anomalies"]
    check(past.server, told)


@pytest.mark.parametrize("month", range(1, 7))
def test_every_count_of_then_is_that_of_the_list_it_leads_to(past: Past, month: int) -> None:
    told = past.server.get(OVERVIEW, as_of=f"2026-0{month}-11T05:00:00Z")
    assert told["failed_from"] == f"2026-0{month}-05T00:00:00Z"
    assert told["parked_jobs"] is None
    check(past.server, told)


def test_every_count_of_what_was_known_is_that_of_the_list_it_leads_to(past: Past) -> None:
    check(past.server, past.server.get(OVERVIEW, known_at=past.between))
    check(
        past.server,
        past.server.get(OVERVIEW, known_at=past.between, as_of="2026-03-01T00:00:00Z"),
    )


def test_what_is_of_now_is_counted_by_its_currency(database: str) -> None:
    now = datetime.now(UTC)
    soon, before = ((now + timedelta(days=days)).isoformat() for days in (2, -2))
    grace = {"status": "past_due", "past_due_ends_at": soon}
    over = {"status": "past_due", "past_due_ends_at": before}
    failed = {"status": "failed", "total_amount": 700, "currency": "EUR"}
    long_ago = (now - timedelta(days=8)).isoformat()
    things: list[tuple[str, dict[str, object]]] = [
        ("subscription.active", {"subscription_id": "sub_1", "status": "active"}),
        ("subscription.past_due", {"subscription_id": "sub_2", **grace}),
        ("subscription.past_due", {"subscription_id": "sub_3", **over}),
        ("dispute.opened", {"dispute_id": "dp_1", "amount": "250", "currency": "USD"}),
        ("dispute.opened", {"dispute_id": "dp_2", "amount": "300", "currency": "USD"}),
        ("dispute.opened", {"dispute_id": "dp_3", "amount": "300", "currency": "JPY"}),
        ("dispute.won", {"dispute_id": "dp_4", "amount": "999", "currency": "USD"}),
        ("payment.failed", {"payment_id": "pay_1", "created_at": before, **failed}),
        ("payment.failed", {"payment_id": "pay_2", "created_at": long_ago, **failed}),
    ]
    record(database, [said(type_, n, None, **data) for n, (type_, data) in enumerate(things)])
    project(database)
    with served(database) as server:
        told = server.get(OVERVIEW)
    assert told["active_subscriptions"]["count"] == 2
    assert told["in_grace"]["count"] == 1
    assert told["open_disputes"]["by_currency"] == [
        {"currency": "USD", "count": 2, "amount": 550},
        {"currency": "JPY", "count": 1, "amount": 300},
    ]
    assert told["failed_payments"]["by_currency"] == [
        {"currency": "EUR", "count": 1, "amount": 700}
    ]
    assert told["parked_jobs"]["count"] == 0
    assert [one["business_id"] for one in told["last_webhooks"]] == ["bus_1"]


def test_where_nothing_has_come_nothing_stands(database: str) -> None:
    with served(database) as server:
        told = server.get(OVERVIEW)
    assert (told["last_webhooks"], told["anomalies"]) == ([], [])
    assert told["open_disputes"] | {"made_of": ""} == {
        "count": 0,
        "by_currency": [],
        "made_of": "",
    }


def test_a_key_of_one_business_counts_that_one_alone(cluster: str, template: str) -> None:
    active = {
        "type": "subscription.active",
        "timestamp": "2026-05-01T12:00:00Z",
        "data": {"subscription_id": "sub_1", "status": "active"},
    }
    with copied(cluster, template) as conninfo:
        record(
            conninfo,
            [
                delivery(active | {"business_id": "bus_1"}, "msg_1"),
                delivery(active | {"business_id": "bus_2"}, "msg_2"),
            ],
        )
        project(conninfo)
        key = made(conninfo, "bound", "read", business_id="bus_2")
        with served(conninfo, api_key=KEY) as server, client_with(key, server.url) as client:
            told = client.get(OVERVIEW).json()
    assert told["active_subscriptions"]["count"] == 1
    assert [one["business_id"] for one in told["last_webhooks"]] == ["bus_2"]


def kept_and_counted(conninfo: str) -> list[set[tuple[object, ...]]]:
    """What is kept up of how many subscriptions stand in each status, and what is so."""
    kept = "SELECT business_id, status, number FROM raphus.subscription_counts WHERE number <> 0"
    counted = """
        SELECT business_id, coalesce(status, ''), count(*) FROM raphus.subscriptions GROUP BY 1, 2
    """
    with psycopg.connect(conninfo) as conn:
        return [set(conn.execute(statement).fetchall()) for statement in (kept, counted)]


def test_subscriptions_are_counted_as_they_are_written(database: str) -> None:
    record(database, few_payouts(simulated(10)))
    project(database)
    kept, counted = kept_and_counted(database)
    assert kept == counted
    assert len(counted) > 1
    tamper(database)
    kept, counted = kept_and_counted(database)
    assert kept == counted
    rebuilt(database)
    kept, counted = kept_and_counted(database)
    assert kept == counted
    with psycopg.connect(database) as conn:
        conn.execute("UPDATE raphus.subscriptions SET status = NULL, business_id = 'bus_9'")
    kept, counted = kept_and_counted(database)
    assert kept == counted
    assert [row[:2] for row in counted] == [("bus_9", "")]
    with psycopg.connect(database) as conn:
        conn.execute("TRUNCATE raphus.subscriptions CASCADE")
    assert kept_and_counted(database) == [set(), set()]
