"""`raphus list`, `show`, `timeline`, `explain`, `refusals`: what HTTP answers, without a server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.histories import said
from tests.support.program import raphus, unread
from tests.support.two_ways import Shop, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

SUBSCRIPTIONS: Final = 5
HELD_AT: Final = "2026-05-01T12:01:00Z"


@pytest.fixture(scope="module")
def shop(cluster: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    cost = {"recurring_pre_tax_amount": 1999, "currency": "EUR"}
    begun = [
        said("subscription.active", 0, f"msg_{n}", subscription_id=f"sub_{n}", **cost)
        for n in range(SUBSCRIPTIONS)
    ]
    about = {"payment_id": "pay_1", "customer": {"customer_id": "cus_1"}}
    then = [
        said("subscription.on_hold", 1, "msg_on_hold", subscription_id="sub_1"),
        said("subscription.failed", 2, "msg_failed", subscription_id="sub_1"),
        said("payment.succeeded", 0, "msg_pay", **about, total_amount=5000, currency="JPY"),
        said(
            "refund.succeeded",
            3,
            "msg_ref",
            payment_id="pay_1",
            refund_id="ref_1",
            status="pending",
        ),
        said("dispute.won", 4, "msg_dp", payment_id="pay_1", dispute_id="dp_1"),
        said("license_key.created", 5, "msg_lic", id="lic_1", status="disabled"),
    ]
    home = tmp_path_factory.mktemp("asking") / "home"
    with opened(cluster, template, home, begun, then) as shop:
        yield shop


@pytest.mark.parametrize(
    ("command", "path", "query"),
    [
        ("list subscriptions", "subscriptions", {}),
        ("list subscription", "subscriptions", {"active": "false"}),
        ("list payments", "payments", {"customer_id": "cus_1", "created_at_gte": HELD_AT}),
        ("list disputes", "disputes", {"open": "false", "as_of": HELD_AT}),
        ("list license_keys", "license_keys", {"limit": "1"}),
        ("show subscription sub_1", "subscriptions/sub_1", {"as_of": HELD_AT}),
        ("show refunds ref_1", "refunds/ref_1", {}),
        ("timeline subscription sub_1", "subscriptions/sub_1/timeline", {"limit": "2"}),
        ("timeline dispute dp_1", "disputes/dp_1/timeline", {}),
        ("explain dispute dp_1", "disputes/dp_1/explain", {"field": "customer_id"}),
        ("explain license_key lic_1", "license_keys/lic_1/explain", {}),
        ("refusals", "refusals", {}),
    ],
)
def test_the_json_is_that_of_http(
    shop: Shop, command: str, path: str, query: dict[str, str]
) -> None:
    options = [
        word for name, value in query.items() for word in (f"--{name.replace('_', '-')}", value)
    ]
    told = shop.answered(*command.split(), *options, "--json")
    assert told == shop.server.client.get(f"/v1/{path}", params=query).text + "\n"


def test_a_list_as_known_then_is_built_and_the_progress_is_told(shop: Shop) -> None:
    asked = ("list", "subscriptions", "--known-at", shop.known_at)
    ended = raphus(*asked, "--json", env=shop.env)
    assert ended.returncode == 0, ended.stderr
    assert "fold: " in ended.stderr
    told = json.loads(ended.stdout)
    assert [one["status"] for one in told["items"]] == ["active"] * SUBSCRIPTIONS
    assert told == shop.server.get("/v1/subscriptions", known_at=shop.known_at)
    plain = shop.answered(*asked)
    assert plain.splitlines()[0] == f"as known at {shop.known_at}"


def test_a_list_is_a_table_that_is_read_on_by_its_cursor(shop: Shop) -> None:
    first = shop.answered("list", "subscriptions", "--limit", "3").splitlines()
    *rows, more = first[2:]
    assert [row.split()[:6] for row in rows] == [
        [f"sub_{n}", "on_hold" if n == 1 else "active", "–", "19.99", "EUR", "2026-05-01"]
        for n in (4, 3, 2)
    ]
    cursor = more.removeprefix("There are more: --cursor ")
    rest = shop.answered("list", "subscriptions", "--limit", "3", "--cursor", cursor)
    assert [line.split()[0] for line in rest.splitlines()[2:]] == ["sub_1", "sub_0"]
    assert "1 fact refused" in rest


def test_an_object_is_told_field_by_field_and_what_is_odd_about_it(shop: Shop) -> None:
    held = shop.answered("show", "subscription", "sub_1", "--as-of", HELD_AT).splitlines()
    assert held[0] == f"subscription sub_1, as of {HELD_AT}"
    assert ["status", "on_hold"] in [line.split() for line in held]
    assert ["recurring_pre_tax_amount", "19.99", "EUR"] not in [line.split() for line in held]
    now = shop.answered("show", "subscription", "sub_1")
    assert "! 1 fact refused: its timeline says which, and why" in now.splitlines()
    refund = shop.answered("show", "refund", "ref_1")
    assert "! drift: Dodo last said pending (msg_ref of 2026-05-01 12:03:00)" in refund
    assert "drift:" not in shop.answered("show", "license_key", "lic_1"), "no webhook announces it"


def test_a_timeline_is_a_line_a_fact(shop: Shop) -> None:
    late, head, *facts = shop.answered("timeline", "subscription", "sub_1").splitlines()
    assert late.startswith("recorded afterwards in one stretch: 3 facts from 2026-05-01 12:00:00")
    assert head.split()[0] == "occurred"
    active, held = (" ".join(fact.split()) for fact in facts[:2])
    assert active == "2026-05-01 12:00:00 subscription.active – → active msg_1"
    moved, _, changes = held.partition(" msg_on_hold ")
    assert moved == "2026-05-01 12:01:00 subscription.on_hold active → on_hold"
    assert changes == "currency: EUR → –; recurring_pre_tax_amount: 1999 → –"
    assert "refused: subscription.failed is not a valid transition from on_hold" in facts[2]


def test_an_explanation_names_the_deliveries_and_why(shop: Shop) -> None:
    told = shop.answered("explain", "subscription", "sub_1").splitlines()
    assert told[0] == "subscription sub_1: status is on_hold"
    assert [(line.split()[0], "msg_on_hold" in line) for line in told[3:]] == [
        ("set", True),
        ("since", True),
        ("passed", False),
    ]
    through = shop.answered("explain", "refund", "ref_1", "--field", "customer_id")
    assert "it is its payment's (pay_1)." in through


@pytest.mark.parametrize(
    ("command", "code", "said_"),
    [
        ("show subscription sub_x", 1, "raphus: no subscription with this id has been seen"),
        ("timeline payment pay_x", 1, "raphus: no payment with this id has been seen"),
        ("show payment pay_1 --as-of 2026-01-01T00:00:00Z", 1, "was there at that time"),
        ("explain payment pay_1 --field colour", 2, "must be one of business_id"),
        ("list payments --as-of yesterday", 2, "must be a time with its offset"),
        ("list payments --known-at 2099-01-01T00:00:00Z", 2, "must not lie in the future"),
        ("list plans", 2, "invalid choice: 'plans'"),
    ],
)
def test_what_cannot_be_answered_is_told_with_an_exit_code(
    shop: Shop, command: str, code: int, said_: str
) -> None:
    ended = raphus(*command.split(), env=shop.env)
    assert (ended.returncode, ended.stdout) == (code, "")
    assert said_ in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("command", ["list subscriptions", "timeline subscription sub_1"])
def test_a_reader_that_has_seen_enough_is_no_failure(shop: Shop, command: str) -> None:
    assert unread(*command.split(), env=shop.env) == (0, b"")
