"""Access that is gained or lost is announced once, whatever it is gained or lost by."""

from __future__ import annotations

import json
from collections import defaultdict
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import msgspec
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.access.access import access
from domain.access.policy import Policy
from domain.aggregates.payment import PaymentEntity
from domain.delivery import Delivery
from ledger.application import Ledger
from ledger.erasure import Request
from ledger.integrity.verify import verify
from tests.support.announcing import (
    announce,
    announced,
    announcing,
    check_a_rebuild_tells_nothing,
    clock,
    settle,
    showing,
)
from tests.support.connected import connected
from tests.support.deliveries import receipts
from tests.support.histories import NOON, said
from tests.support.http_server import copied, served
from tests.support.persons import held, purchases
from tests.support.projected import following, go_to_the_end, project, record, simulated
from tests.support.proxy import Scissors, cutting
from workflows.announcing import begun
from workflows.erasure import forget as erase
from workflows.erasure import look

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Literal

    from domain.access.holding import Holding
    from projections.live.follower import Follower
    from tests.support.announcing import Shown

CUSTOMER: Final[dict[str, Any]] = {"customer": {"customer_id": "cus_1"}}
SUBSCRIPTION: Final[dict[str, Any]] = CUSTOMER | {"subscription_id": "sub_1", "product_id": "pdt_1"}
PAYMENT: Final[dict[str, Any]] = CUSTOMER | {
    "payment_id": "pay_1",
    "product_cart": [{"product_id": "pdt_2"}],
    "total_amount": 500,
    "currency": "USD",
}
numbers = count(1)


def tell(shown: Shown, *deliveries: Delivery) -> list[dict[str, Any]]:
    """Record and project deliveries, announce, and return what is announced since."""
    before = len(announced(shown.database))
    shown.tell(*deliveries)
    return announce(shown.database)[before:]


def tell_of_one_that_ends(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    """Announce, at noon, access that is paid for ten days and ends then."""
    clock(monkeypatch, NOON)
    announce(shown.database)
    ends = {"next_billing_date": "2026-05-11T12:00:00Z"}
    tell(shown, said("subscription.active", 0, "msg_1", **SUBSCRIPTION))
    assert not tell(shown, said("subscription.cancelled", 1, "msg_2", **SUBSCRIPTION, **ends))


def told(found: list[dict[str, Any]]) -> list[tuple[object, ...]]:
    """Shorten what is announced to what is told of whom."""
    return [
        (one["type"], one["data"]["customer_id"], one["data"]["product_id"], one["data"]["code"])
        for one in found
    ]


def test_access_is_announced_in_an_envelope_with_what_it_rests_on_and_why(shown: Shown) -> None:
    assert announce(shown.database) == []
    before = datetime.now(UTC)
    (granted,) = tell(shown, said("subscription.active", 0, "msg_1", **SUBSCRIPTION))
    assert before <= datetime.fromisoformat(granted.pop("timestamp")) <= datetime.now(UTC)
    assert granted == {
        "business_id": "bus_1",
        "type": "access.granted",
        "data": {
            "customer_id": "cus_1",
            "product_id": "pdt_1",
            "access": True,
            "code": "active",
            "text": "Subscription sub_1 is active.",
            "until": None,
            "any_access": True,
            "rests_on": [
                {
                    "kind": "subscription",
                    "id": "sub_1",
                    "status": "active",
                    "webhook_id": "msg_1",
                    "occurred_at": "2026-05-01T12:00:00Z",
                }
            ],
            "cause": {
                "kind": "webhook",
                "webhook_id": "msg_1",
                "type": "subscription.active",
                "at": None,
            },
        },
    }
    (revoked,) = tell(shown, said("subscription.on_hold", 1, "msg_2", **SUBSCRIPTION))
    assert revoked["data"]["cause"]["webhook_id"] == "msg_2"
    assert told([revoked]) == [("access.revoked", "cus_1", "pdt_1", "on_hold")]
    assert revoked["data"]["any_access"] is False


def test_what_changes_nothing_of_access_is_not_announced(shown: Shown) -> None:
    announce(shown.database)
    assert tell(shown, said("subscription.active", 0, "msg_1", **SUBSCRIPTION))
    assert not tell(
        shown,
        said("subscription.renewed", 1, "msg_2", **SUBSCRIPTION),
        said("subscription.updated", 2, "msg_3", **SUBSCRIPTION),
        said("customer.unheard_of", 3, "msg_4", **CUSTOMER),
        said("payment.failed", 3, "msg_5", **PAYMENT),
    )
    assert announce(shown.database) == announced(shown.database)


def test_each_product_is_announced_and_whether_there_is_access_to_any(shown: Shown) -> None:
    announce(shown.database)
    tell(shown, said("subscription.active", 0, "msg_1", **SUBSCRIPTION))
    grant = {"id": "grant_1", "customer_id": "cus_1", "payment_id": "pay_1"}
    found = tell(
        shown,
        said("payment.succeeded", 1, "msg_2", **PAYMENT),
        said("entitlement_grant.created", 2, "msg_3", **grant),
        said("subscription.paused", 3, "msg_4", **SUBSCRIPTION),
    )
    assert told(found) == [
        ("access.granted", "cus_1", None, "granted"),
        ("access.granted", "cus_1", "pdt_2", "bought"),
        ("access.revoked", "cus_1", "pdt_1", "paused"),
    ]
    assert [one["data"]["any_access"] for one in found] == [True, True, True]


def test_a_dispute_that_is_lost_takes_what_its_payment_gave_whoever_it_names(shown: Shown) -> None:
    announce(shown.database)
    tell(shown, said("payment.succeeded", 0, "msg_1", **PAYMENT))
    lost = {"dispute_id": "dp_1", "payment_id": "pay_1"}
    found = tell(shown, said("dispute.lost", 1, "msg_2", **lost))
    assert told(found) == [("access.revoked", "cus_1", "pdt_2", "dispute_lost")]
    assert found[0]["data"]["cause"]["webhook_id"] == "msg_2"
    found = tell(shown, said("dispute.won", 2, "msg_3", **lost))
    assert not found, "a dispute that is lost stays so"


def test_what_goes_over_to_another_customer_is_revoked_and_granted(shown: Shown) -> None:
    announce(shown.database)
    tell(shown, said("subscription.active", 0, "msg_1", **SUBSCRIPTION))
    other = SUBSCRIPTION | {"customer": {"customer_id": "cus_2"}}
    found = tell(shown, said("subscription.updated", 1, "msg_2", **other))
    assert sorted(told(found)) == [
        ("access.granted", "cus_2", "pdt_1", "active"),
        ("access.revoked", "cus_1", "pdt_1", "never_bought"),
    ]


def test_what_should_never_have_been_is_revoked_and_stays_told(shown: Shown) -> None:
    announce(shown.database)
    granted = tell(shown, said("subscription.active", 5, "msg_2", **SUBSCRIPTION))
    # It comes late, and is final: the activation is refused behind it.
    revoked = tell(shown, said("subscription.expired", 1, "msg_1", **SUBSCRIPTION))
    assert told(granted + revoked) == [
        ("access.granted", "cus_1", "pdt_1", "active"),
        *[("access.revoked", "cus_1", "pdt_1", one["data"]["code"]) for one in revoked],
    ]


def test_what_was_before_the_beginning_is_not_announced_but_what_changes_of_it_is(
    shown: Shown,
) -> None:
    shown.tell(said("subscription.active", 0, "msg_1", **SUBSCRIPTION))
    assert announce(shown.database) == []
    assert announce(shown.database) == []
    found = tell(shown, said("subscription.on_hold", 1, "msg_2", **SUBSCRIPTION))
    assert told(found) == [("access.revoked", "cus_1", "pdt_1", "on_hold")]


def test_it_begins_where_the_read_models_are(database: str) -> None:
    record(database, [said("subscription.active", 0, "msg_1", **SUBSCRIPTION)])
    assert announce(database) == []
    project(database)
    assert told(announce(database)) == [("access.granted", "cus_1", "pdt_1", "active")]


def test_access_that_ends_by_time_alone_is_revoked_then_once(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_of_one_that_ends(shown, monkeypatch)
    clock(monkeypatch, NOON + timedelta(days=10) - timedelta(microseconds=1))
    assert len(announce(shown.database)) == 1
    clock(monkeypatch, NOON + timedelta(days=10))
    assert len(announce(shown.database)) == 2
    revoked = announce(shown.database)[-1]
    assert told([revoked]) == [("access.revoked", "cus_1", "pdt_1", "cancelled")]
    assert revoked["timestamp"] == "2026-05-11T12:00:00Z"
    assert revoked["data"]["cause"] == {
        "kind": "clock",
        "webhook_id": None,
        "type": None,
        "at": "2026-05-11T12:00:00Z",
    }
    clock(monkeypatch, NOON + timedelta(days=20))
    assert len(announce(shown.database)) == 2


def test_what_ended_by_a_clock_that_was_wrong_is_granted_again_when_it_is_right(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_of_one_that_ends(shown, monkeypatch)
    clock(monkeypatch, NOON + timedelta(days=40))
    assert told(announce(shown.database))[1:] == [("access.revoked", "cus_1", "pdt_1", "cancelled")]
    clock(monkeypatch, NOON + timedelta(days=1))
    *_, again = announce(shown.database)
    assert told([again]) == [("access.granted", "cus_1", "pdt_1", "paid_through")]
    assert again["data"]["cause"]["kind"] == "clock"
    clock(monkeypatch, NOON + timedelta(days=10))
    assert len(announce(shown.database)) == 4


def test_no_access_ends_by_time_while_what_was_recorded_by_then_is_not_shown(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_of_one_that_ends(shown, monkeypatch)
    end, later = NOON + timedelta(days=10), NOON + timedelta(days=11)
    clock(monkeypatch, later, heard=end - timedelta(microseconds=1))
    assert len(announce(shown.database)) == 1
    clock(monkeypatch, later, heard=end)
    assert told(announce(shown.database)[1:]) == [("access.revoked", "cus_1", "pdt_1", "cancelled")]


def test_what_is_not_shown_yet_was_not_heard_when_it_was_recorded(database: str) -> None:
    with connected(database) as conn:
        record(database, [said("subscription.active", 0, "msg_1", **SUBSCRIPTION)])
        project(database)
        shown = begun.moment(conn)
        assert (shown.shown, shown.heard) == (1, shown.now)
        record(database, [said("subscription.on_hold", 1, "msg_2", **SUBSCRIPTION)])
        record(database, [said("subscription.active", 2, "msg_3", **SUBSCRIPTION)])
        behind = begun.moment(conn)
        recorded_at = conn.execute(
            "SELECT recorded_at FROM raphus.ledger_events WHERE webhook_id = 'msg_2'"
        ).fetchone()
        assert (behind.shown, behind.heard) == (1, *(recorded_at or ()))
        assert behind.heard < behind.now


@pytest.mark.parametrize("before", [0, 1])
def test_what_is_not_shown_yet_is_not_taken_be_it_at_the_beginning_of_the_log(
    database: str, before: int
) -> None:
    record(database, [said("customer.unheard_of", 0, "msg_0", **CUSTOMER)][:before])
    project(database)
    announce(database)
    record(database, [said("subscription.active", 1, "msg_1", **SUBSCRIPTION)])
    project(database)
    record(database, [said("subscription.on_hold", 2, "msg_2", **SUBSCRIPTION)])
    (granted,) = announce(database)
    assert granted["data"]["cause"]["webhook_id"] == "msg_1"
    project(database)
    assert told(announce(database)[1:]) == [("access.revoked", "cus_1", "pdt_1", "on_hold")]


def test_another_policy_announces_what_it_changes_of_everybody(
    shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflows.announcing.access.CUSTOMERS_MAX", 2)
    monkeypatch.setattr("workflows.followed_file.WHOLE_S", 0.0)
    announce(shown.database)
    deliveries = []
    for number in range(5):
        one = {"customer": {"customer_id": f"cus_{number}"}, "product_id": "pdt_1"}
        about = one | {"subscription_id": f"sub_{number}"}
        deliveries += [
            said("subscription.active", 0, f"msg_{number}", **about),
            said("subscription.on_hold", 1, f"msg_{number}_2", **about),
        ]
    assert tell(shown, *deliveries) == []
    policy = tmp_path / "raphus.toml"
    policy.write_text('[access]\non_hold = "yes"\n')
    found = announce(shown.database, policy)
    assert told(found) == [
        ("access.granted", f"cus_{number}", "pdt_1", "by_policy") for number in range(5)
    ]
    assert {one["data"]["cause"]["kind"] for one in found} == {"policy"}
    assert announce(shown.database, policy) == found
    # A file that is wrong changes nothing: nobody knows by what to judge.
    policy.write_text('[access]\non_hold = "perhaps"\n')
    assert announce(shown.database, policy) == found
    assert {one["type"] for one in announce(shown.database)[5:]} == {"access.revoked"}


def test_a_release_that_reads_the_log_otherwise_announces_the_difference(shown: Shown) -> None:
    announce(shown.database)
    tell(shown, said("subscription.active", 0, "msg_1", **SUBSCRIPTION))
    with connected(shown.database) as conn:
        conn.execute("DELETE FROM raphus.announced_access")
        conn.execute("UPDATE raphus.announcing SET release = '0.0.1'")
    (found,) = announce(shown.database)[1:]
    assert found["data"]["cause"]["kind"] == "release"


def test_a_rebuild_announces_nothing_also_while_the_read_models_are_behind(database: str) -> None:
    announce(database)
    record(database, simulated(10))
    project(database)
    check_a_rebuild_tells_nothing(database, announce)


@pytest.mark.parametrize("lost", ["message", "answer"])
def test_each_change_is_told_once_whatever_is_lost(
    database: str, lost: Literal["message", "answer"]
) -> None:
    announce(database)
    record(database, simulated(8))
    project(database)
    scissors = Scissors(b"COMMIT", lost, left=3)
    with cutting(database, scissors) as through, announcing(through) as announcer:
        while scissors.left:
            try:
                settle(announcer, events_max=20)
            except psycopg.OperationalError:
                announcer.stop()
        settle(announcer)
    assert alternates(announced(database))
    assert in_possession(database) == known_as_given(announced(database))
    assert is_whole(database)


def is_whole(database: str) -> bool:
    """Tell whether the log proves itself, with every signature that one is asked of."""
    with connected(database, autocommit=True) as conn:
        return (
            verify(conn, signatures=lambda one: None if one.webhook_signature else "").fault is None
        )


def in_possession(database: str) -> set[tuple[str, str | None]]:
    """Ask the server who has access to what."""
    with connected(database) as conn:
        asked = conn.execute(
            "SELECT DISTINCT customer_id, unnest(product_ids) FROM raphus.periods"
            " WHERE customer_id IS NOT NULL"
        ).fetchall()
    with served(database) as server:
        return {
            (customer, product)
            for customer, product in asked
            if server.get("/v1/access", customer_id=customer, product_id=product)["access"]
        }


def known_as_given(found: list[dict[str, Any]]) -> set[tuple[str, str | None]]:
    """Return what was granted last, but for what names no product."""
    last = {(one["data"]["customer_id"], one["data"]["product_id"]): one for one in found}
    return {thing for thing, one in last.items() if thing[1] and one["data"]["access"]}


def alternates(found: list[dict[str, Any]]) -> bool:
    """Tell whether each thing is granted first, and then revoked and granted in turns."""
    sequences: defaultdict[tuple[str, str, str | None], list[bool]] = defaultdict(list)
    for one in found:
        data = one["data"]
        assert data["access"] is (one["type"] == "access.granted")
        thing = one["business_id"], data["customer_id"], data["product_id"]
        sequences[thing].append(data["access"])
    return all(
        said_of_it == [number % 2 == 0 for number in range(len(said_of_it))]
        for said_of_it in sequences.values()
    )


def of_business(deliveries: list[Delivery], number: int) -> list[Delivery]:
    """Let deliveries be of another business, under ids of their own."""
    return [
        msgspec.structs.replace(
            one,
            webhook_id=f"{one.webhook_id}_{number}",
            body=one.body.replace(b'"bus_1"', f'"bus_{number}"'.encode()),
        )
        for one in deliveries
    ]


def own(holdings: list[Holding], customer_id: str) -> list[Holding]:
    """Return what a customer has, and what stands against payments, whoever it names."""
    of_his = {
        one.id
        for one in holdings
        if isinstance(one.entity, PaymentEntity) and one.entity.customer_id == customer_id
    }
    return [
        one
        for one in holdings
        if (
            getattr(one.entity, "payment_id", None) in of_his
            if one.kind in {"refund", "dispute"}
            else one.entity.customer_id == customer_id
        )
    ]


@settings(max_examples=25)
@given(
    st.tuples(purchases(), purchases("cus_2")).flatmap(
        lambda two: st.permutations(two[0] + two[1])
    ),
    st.lists(st.tuples(st.integers(1, 5), st.integers(0, 20 * 24 * 60), st.booleans()), max_size=6),
    st.integers(1, 3),
)
def test_in_any_order_and_any_split_what_is_told_last_is_what_is_so(
    shared: str,
    writer: Ledger,
    follower: Follower,
    deliveries: list[Delivery],
    splits: list[tuple[int, int, bool]],
    events_max: int,
) -> None:
    number, left, at = next(numbers), deliveries, NOON
    coming = of_business(deliveries, number)
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        clock(patch, at)
        announcer = stack.enter_context(announcing(shared))
        at_the_end = (len(left) or 1, 0, False), (1, 60 * 24 * 10, False)
        for size, minutes, begins_anew in [*splits, *at_the_end]:
            if coming[:size]:
                receipts(writer.record(coming[:size]))
                go_to_the_end(follower)
            del coming[:size]
            at += timedelta(minutes=minutes)
            clock(patch, at)
            if begins_anew:
                stack.close()
                announcer = stack.enter_context(announcing(shared))
            settle(announcer, events_max)
    found = [one for one in announced(shared) if one["business_id"] == f"bus_{number}"]
    assert alternates(found)
    holdings = held(deliveries)
    for customer in ("cus_1", "cus_2"):
        now = {
            product
            for product in ("pdt_1", "pdt_2")
            if access(own(holdings, customer), at, Policy(), product).access
        }
        assert now == {one for whose, one in known_as_given(found) if whose == customer}
        if any(one["data"]["customer_id"] == customer for one in found):
            last = [one for one in found if one["data"]["customer_id"] == customer][-1]
            any_access = access(own(holdings, customer), at, Policy()).access
            assert last["data"]["any_access"] is any_access


@pytest.fixture(scope="module")
def shared(cluster: str, template: str) -> Any:  # noqa: ANN401 -- a fixture
    with copied(cluster, template) as conninfo:
        announce(conninfo)
        yield conninfo


@pytest.fixture(scope="module")
def writer(shared: str) -> Iterator[Ledger]:
    with Ledger(shared) as opened:
        yield opened


@pytest.fixture(scope="module")
def follower(shared: str) -> Iterator[Follower]:
    with following(shared) as opened:
        yield opened


def test_what_was_announced_is_listed_among_the_events_and_told_for_ours(database: str) -> None:
    announce(database)
    with showing(database) as opened:
        tell(opened, said("subscription.active", 0, "msg_1", **SUBSCRIPTION))
        tell(opened, said("subscription.on_hold", 1, "msg_2", **SUBSCRIPTION))
        opened.tell()
    with served(database) as server:
        found = server.get("/v1/events", type="access.*")["items"]
        assert [one["type"] for one in found] == ["access.granted", "access.revoked"]
        assert server.get("/v1/events", type="access.revoked")["items"] == found[1:]
        (last,) = server.get("/v1/events", type="access.*", order="desc", limit=1)["items"]
        assert last == found[1]
        one = server.get(f"/v1/events/{found[0]['webhook_id']}")
        assert json.loads(one["body"]) == announced(database)[0]
        assert one["signature"]["verified"] is None
        assert server.get("/v1/refusals")["items"] == []
        assert server.get("/v1/customers/cus_1/timeline")["items"] != []
        silent = server.get("/v1/access", customer_id="cus_1")["freshness"]["last_webhooks"]
        assert [last["webhook_id"] for last in silent] == ["msg_2"]


def test_an_erasure_finds_nothing_personal_in_what_was_announced(database: str) -> None:
    announce(database)
    with showing(database) as opened:
        found = tell(opened, said("subscription.active", 0, "msg_1", **SUBSCRIPTION))
        opened.tell()
    assert look(database, "cus_1", None).events == {}
    erase(database, Request("cus_1", None, "he asked", None))
    assert announced(database) == found
    assert is_whole(database)
