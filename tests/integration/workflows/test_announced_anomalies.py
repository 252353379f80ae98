"""Anomalies are announced once when they open, by a fact or by time alone, and when they settle."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from ledger.application import Ledger
from tests.support.announcing import (
    announced,
    announcing,
    check_a_rebuild_tells_nothing,
    clock,
    settle,
)
from tests.support.connected import connected
from tests.support.deliveries import receipts
from tests.support.histories import NOON, said
from tests.support.projected import following, go_to_the_end, project, record, simulated

if TYPE_CHECKING:
    from domain.delivery import Delivery
    from tests.support.announcing import Shown

SUBSCRIPTION: Final[dict[str, Any]] = {
    "customer": {"customer_id": "cus_1"},
    "subscription_id": "sub_1",
    "product_id": "pdt_1",
    "on_demand": False,
    "next_billing_date": "2026-06-01T12:00:00Z",
}
OVERDUE_AT: Final = datetime(2026, 6, 2, 16, tzinfo=UTC)


@pytest.fixture(autouse=True)
def without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at what is wrong whenever a test says so."""
    monkeypatch.setattr("workflows.announcing.anomalies.EVERY_S", 0.0)


def announce(database: str) -> list[dict[str, Any]]:
    """Announce what has become wrong, or right, and return all that was announced."""
    with announcing(database, families=["anomaly"]) as announcer:
        settle(announcer)
    return announced(database)


def tell(shown: Shown, *deliveries: Delivery) -> list[dict[str, Any]]:
    """Record and project deliveries, announce, and return what is announced since."""
    before = len(announced(shown.database))
    shown.tell(*deliveries)
    return announce(shown.database)[before:]


def told(found: list[dict[str, Any]]) -> list[tuple[object, ...]]:
    return [(one["type"], one["data"]["code"], one["data"]["id"]) for one in found]


def test_what_opens_and_settles_by_a_fact_is_announced_with_it(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock(monkeypatch, NOON + timedelta(hours=1))
    announce(shown.database)
    (opened,) = tell(shown, said("subscription.on_hold", 5, "msg_2", **SUBSCRIPTION))
    assert (opened["type"], opened["data"]["code"]) == ("anomaly.opened", "gap")
    assert opened["data"] | {"text": "", "action": ""} == {
        "code": "gap",
        "text": "",
        "action": "",
        "kind": "subscription",
        "id": "sub_1",
        "customer_id": "cus_1",
        "objects": [{"kind": "subscription", "id": "sub_1"}],
        "amount": None,
        "currency": None,
        "evidence": opened["data"]["evidence"],
        "since": "2026-05-01T12:05:00Z",
        "until": None,
        "cause": {
            "kind": "webhook",
            "webhook_id": "msg_2",
            "type": "subscription.on_hold",
            "at": "2026-05-01T12:05:00Z",
        },
    }
    # What was missing comes late: then it never was.
    (settled,) = tell(shown, said("subscription.active", 0, "msg_1", **SUBSCRIPTION))
    assert settled["type"] == "anomaly.settled"
    assert settled["data"]["since"] == opened["data"]["since"]
    assert settled["data"]["until"] is None
    assert announce(shown.database) == [opened, settled]


def test_what_opens_by_time_alone_is_announced_then_once_and_settles_with_a_fact(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock(monkeypatch, NOON)
    announce(shown.database)
    assert not tell(shown, said("subscription.active", 0, "msg_1", **SUBSCRIPTION))
    clock(monkeypatch, OVERDUE_AT - timedelta(microseconds=1))
    assert announce(shown.database) == []
    clock(monkeypatch, OVERDUE_AT)
    (opened,) = announce(shown.database)
    assert told([opened]) == [("anomaly.opened", "overdue", "sub_1")]
    assert opened["data"]["cause"]["kind"] == "clock"
    clock(monkeypatch, OVERDUE_AT + timedelta(days=3))
    assert announce(shown.database) == [opened]
    later = SUBSCRIPTION | {"next_billing_date": "2026-07-01T12:00:00Z"}
    minutes = int((OVERDUE_AT - NOON) / timedelta(minutes=1)) + 60
    (settled,) = tell(shown, said("subscription.renewed", minutes, "msg_2", **later))
    assert told([settled]) == [("anomaly.settled", "overdue", "sub_1")]
    assert settled["data"]["until"] == "2026-06-02T17:00:00Z"
    assert settled["data"]["cause"]["webhook_id"] == "msg_2"


def test_what_was_wrong_before_the_beginning_is_announced_when_it_settles_alone(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock(monkeypatch, NOON + timedelta(hours=1))
    shown.tell(said("subscription.on_hold", 5, "msg_2", **SUBSCRIPTION))
    assert announce(shown.database) == []
    found = tell(shown, said("subscription.active", 0, "msg_1", **SUBSCRIPTION))
    assert told(found) == [("anomaly.settled", "gap", "sub_1")]


def test_two_subscriptions_that_live_together_are_announced(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock(monkeypatch, NOON + timedelta(hours=1))
    announce(shown.database)
    other = SUBSCRIPTION | {"subscription_id": "sub_2"}
    found = tell(
        shown,
        said("subscription.active", 0, "msg_1", **SUBSCRIPTION),
        said("subscription.active", 1, "msg_2", **other),
    )
    assert told(found) == [("anomaly.opened", "two_live", "sub_2")]
    found = tell(shown, said("subscription.cancelled", 2, "msg_3", **SUBSCRIPTION))
    assert told(found) == [("anomaly.settled", "two_live", "sub_2")]


def test_silence_of_a_business_is_announced_and_that_it_speaks_again(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflows.announcing.anomalies.THOROUGH_EVERY_S", 0.0)
    announce(shown.database)
    deliveries = [
        said("customer.unheard_of", number, f"msg_{number}", customer={"customer_id": "cus_1"})
        for number in range(25)
    ]
    assert not tell(shown, *deliveries)
    now = datetime.now(UTC)
    clock(monkeypatch, now + timedelta(hours=30))
    (opened,) = announce(shown.database)
    assert told([opened]) == [("anomaly.opened", "silent", "bus_1")]
    assert announce(shown.database) == [opened]
    clock(monkeypatch, now)
    found = tell(shown, said("customer.unheard_of", 30, "msg_30"))
    assert told(found) == [("anomaly.settled", "silent", "bus_1")]


def test_while_the_read_models_are_built_anew_nothing_settles(database: str) -> None:
    announce(database)
    record(database, simulated(12))
    project(database)
    check_a_rebuild_tells_nothing(database, announce)


def test_what_is_open_and_what_was_told_agree_after_any_history(database: str) -> None:
    announce(database)
    deliveries = simulated(12, seed=3)
    with following(database) as follower, ExitStack() as stack, Ledger(database) as ledger:
        announcer = stack.enter_context(announcing(database, families=["anomaly"]))
        for number, start in enumerate(range(0, len(deliveries), 40)):
            receipts(ledger.record(deliveries[start : start + 40]))
            go_to_the_end(follower)
            if number % 3 == 2:  # it begins anew
                stack.close()
                announcer = stack.enter_context(announcing(database, families=["anomaly"]))
            settle(announcer)
    is_open: dict[tuple[object, ...], bool] = {}
    for one in announced(database):
        data = one["data"]
        place = data["code"], *((named["kind"], named["id"]) for named in data["objects"])
        assert is_open.get(place, False) is (one["type"] == "anomaly.settled")
        is_open[place] = one["type"] == "anomaly.opened"
    with connected(database) as conn:
        rows = conn.execute(
            "SELECT DISTINCT code, objects FROM raphus.anomalies WHERE span @> now()"
        ).fetchall()
    now = {(code, *((one["kind"], one["id"]) for one in objects)) for code, objects in rows}
    assert now == {place for place, is_it in is_open.items() if is_it}
