"""A customer's lifecycle over HTTP: the same content as the customer, the lists, the timeline."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.resources.lifecycle import following_grants
from domain.aggregates.entitlement_grant import EntitlementGrantEntity
from domain.lateness import Arrival, Stretch, lateness
from projections.read_models.catalogue import LISTINGS
from projections.read_models.periods import Lasting
from tests.support.histories import NOON, of_one, said
from tests.support.past import Past, told_in_halves
from tests.support.projected import UNTIL, few_payouts, record, simulated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.http_server import Served

KINDS: Final = [resource for resource in LISTINGS if resource not in {"payouts", "products"}]
WITH_A_SERVER = settings(max_examples=20)
INSTANTS = st.integers(0, 400).map(lambda days: UNTIL - timedelta(days=days, seconds=1))


@pytest.fixture(scope="module")
def past(cluster: str, template: str) -> Iterator[Past]:
    with told_in_halves(cluster, template, few_payouts(simulated(12))) as told:
        yield told


@pytest.fixture(scope="module")
def customers(past: Past) -> list[str]:
    payments = past.server.get("/v1/payments", limit=100)["items"]
    return sorted({one["customer_id"] for one in payments} - {None})


def pages(server: Served, path: str, **query: str | int) -> list[dict[str, Any]]:
    """Read all pages of what has a timeline."""
    found = [server.get(path, **query)]
    while found[-1]["next"] is not None:
        found.append(server.get(path, cursor=found[-1]["next"], **query))
    return found


def arrival(entry: dict[str, Any]) -> Arrival:
    times = (datetime.fromisoformat(entry[name]) for name in ("occurred_at", "recorded_at"))
    return Arrival(int(entry["position"]), *times)


@WITH_A_SERVER
@given(st.data())
def test_it_has_what_the_customer_the_lists_and_the_timeline_have(
    past: Past, customers: list[str], data: st.DataObject
) -> None:
    server, customer_id = past.server, data.draw(st.sampled_from(customers))
    query: dict[str, str] = {}
    if data.draw(st.booleans()):
        query["as_of"] = data.draw(INSTANTS).isoformat().replace("+00:00", "Z")
    if data.draw(st.booleans()):
        query["known_at"] = past.between
    path = f"/v1/customers/{customer_id}"
    if server.client.get(path, params=query).status_code == 404:
        assert server.refused(f"{path}/lifecycle", **query)[0] == 404
        return
    found = pages(server, f"{path}/lifecycle", limit=data.draw(st.sampled_from([3, 100])), **query)
    told = {"customer": server.get(path, **query)}
    for kind in KINDS:
        listed = server.get(f"/v1/{kind}", customer_id=customer_id, limit=100, **query)
        told[kind] = listed["items"]
    for page in found:
        assert {name: page[name] for name in told} == told
    entries = [
        entry for page in pages(server, f"{path}/timeline", **query) for entry in page["items"]
    ]
    late = lateness(map(arrival, entries))
    assert [entry for page in found for entry in page["items"]] == [
        {**entry, "late_s": late.late_s.get(int(entry["position"]))} for entry in entries
    ]
    odd = [
        entry
        for page in found
        for entry in page["items"]
        if entry["gap"] or entry["verdict"] in {"refused", "anomaly"} or entry["late_s"] is not None
    ]
    for page in found:
        assert msgspec.convert(page["stretches"], list[Stretch]) == late.stretches
        assert page["notable"] == odd[-100:]


@WITH_A_SERVER
@given(st.data())
def test_its_periods_say_at_any_instant_what_the_lists_say_of_that_instant(
    past: Past, customers: list[str], data: st.DataObject
) -> None:
    server, customer_id = past.server, data.draw(st.sampled_from(customers))
    query = {"known_at": past.between} if data.draw(st.booleans()) else {}
    path = f"/v1/customers/{customer_id}"
    if server.client.get(path, params=query).status_code == 404:
        return
    told = server.get(f"{path}/lifecycle", limit=1, **query)["periods"]
    at = data.draw(INSTANTS).isoformat().replace("+00:00", "Z")
    then: set[tuple[str, str, str | None]] = set()
    for kind in KINDS:
        listed = server.get(f"/v1/{kind}", customer_id=customer_id, limit=100, as_of=at, **query)
        then |= {
            (LISTINGS[kind].kind, one[LISTINGS[kind].id_field], one["status"])
            for one in listed["items"]
        }
    assert {(one["kind"], one["id"], one["status"]) for one in holding(told, at)} == then
    if not then:
        return
    were = server.get(f"{path}/lifecycle", limit=1, as_of=at, **query)["periods"]
    assert {(one["kind"], one["id"], one["status"]) for one in holding(were, at)} == then
    assert len(holding(were, at)) == len([one for one in were if one["valid_to"] is None])


def holding(told: list[dict[str, Any]], at: str) -> list[dict[str, Any]]:
    """The periods that hold at an instant."""
    moment = datetime.fromisoformat

    def holds(one: dict[str, Any]) -> bool:
        ended = one["valid_to"] is not None and moment(one["valid_to"]) <= moment(at)
        return moment(one["valid_from"]) <= moment(at) and not ended

    return [one for one in told if holds(one)]


def test_the_periods_of_a_key_follow_the_grant_that_it_came_by() -> None:
    def lasting(kind: str, status: str, begin: int, end: int | None) -> Lasting:
        ends = NOON + timedelta(hours=end) if end is not None else None
        begun = NOON + timedelta(hours=begin)
        return Lasting(kind, "x", status, begun, ends, None, None, None, None, None, ())

    grant = said("entitlement_grant.created", 0, id="x", license_key={"id": "x"})
    (known,) = of_one(grant).entities()
    assert isinstance(known.entity, EntitlementGrantEntity)
    grants = [
        lasting("entitlement_grant", "delivered", 0, 2),
        lasting("entitlement_grant", "revoked", 2, 4),
        lasting("entitlement_grant", "delivered", 4, 5),
        lasting("entitlement_grant", "revoked", 5, None),
    ]
    keys = [lasting("license_key", "active", 0, 3), lasting("license_key", "expired", 3, None)]
    followed = following_grants([*grants, *keys], [known.entity])
    assert followed[:4] == grants
    begun = [(one.status, (one.valid_from - NOON) // timedelta(hours=1)) for one in followed[4:]]
    assert begun == [("active", 0), ("disabled", 2), ("expired", 3)]
    lasting_key = lasting("license_key", "active", 1, None)
    (*_, first, second, third, last) = following_grants([*grants, lasting_key], [known.entity])
    assert [one.status for one in (first, second, third, last)] == [
        "active", "disabled", "active", "disabled",
    ]  # fmt: skip
    assert [one.valid_to for one in (first, second, third)] == [
        one.valid_from for one in (second, third, last)
    ]
    assert (first.valid_from, last.valid_to) == (lasting_key.valid_from, None)
    assert following_grants(keys, []) == keys


def test_the_simulated_shop_has_something_of_each_kind(past: Past, customers: list[str]) -> None:
    found = [past.server.get(f"/v1/customers/{one}/lifecycle") for one in customers]
    for kind in KINDS:
        assert any(one[kind] for one in found)
        for one in found:
            assert len(one[kind]) == one["customer"][kind]


def test_what_is_held_up_is_late_and_what_comes_at_once_is_not(
    database: str, server: Served
) -> None:
    about = {"payment_id": "pay_1", "customer_id": "cus_1"}
    minutes = (datetime.now(NOON.tzinfo) - NOON) // timedelta(minutes=1)
    record(
        database,
        [
            said("payment.processing", minutes - 120, "msg_1", **about),
            said("payment.succeeded", minutes + 1, "msg_2", **about),
        ],
    )
    late, timely = server.get("/v1/customers/cus_1/lifecycle", min_position="2")["items"]
    assert 7_000 < late["late_s"] < 7_500
    assert timely["late_s"] is None


def test_what_is_loaded_afterwards_is_said_once(database: str, server: Served) -> None:
    about = {"payment_id": "pay_1", "customer_id": "cus_1"}
    words = "processing failed processing succeeded".split()
    told = [said(f"payment.{word}", n, f"msg_{n}", **about) for n, word in enumerate(words)]
    record(database, told[::-1])
    found = server.get("/v1/customers/cus_1/lifecycle", min_position="4")
    assert [one["late_s"] for one in found["items"]] == [None] * 4
    (stretch,) = found["stretches"]
    assert (stretch["facts"], stretch["out_of_order"]) == (4, False)
    assert (stretch["occurred_from"], stretch["occurred_to"]) == (
        "2026-05-01T12:00:00Z",
        "2026-05-01T12:03:00Z",
    )
    then = server.get("/v1/customers/cus_1/lifecycle", as_of="2026-05-01T12:01:00Z")
    assert [one["facts"] for one in then["stretches"]] == [2]


def test_who_was_never_seen_or_not_yet_has_no_lifecycle(past: Past, customers: list[str]) -> None:
    path = f"/v1/customers/{customers[0]}/lifecycle"
    assert past.server.refused("/v1/customers/cus_x/lifecycle") == (404, "not_found")
    assert past.server.refused(path, as_of="2020-01-01T00:00:00Z")[0] == 404
    for query in ({"as_of": "2099-01-01T00:00:00Z"}, {"cursor": "x"}, {"limit": 101}):
        assert past.server.refused(path, **query) == (400, "invalid_parameter")


def test_an_id_may_hold_a_slash_and_the_word_itself(database: str, server: Served) -> None:
    ids = ("cus/1", "lifecycle")
    record(
        database,
        [said("payment.succeeded", 0, f"msg_{n}", payment_id=f"pay_{n}", customer_id=one)
         for n, one in enumerate(ids)],
    )  # fmt: skip
    for one in ids:
        path = f"/v1/customers/{one.replace('/', '%2F')}"
        assert server.get(path, min_position="2")["customer_id"] == one
        assert server.get(f"{path}/lifecycle")["customer"]["customer_id"] == one
