"""Lists, customers and timelines of the past equal what is built from the facts of the time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import msgspec
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.aggregates.dispute import OPEN
from domain.aggregates.subscription import counts_as_active
from domain.delivery import read_envelope
from projections.read_models.catalogue import LISTINGS
from tests.support.histories import NOON, said
from tests.support.http_server import Served, copied, served
from tests.support.past import Past, told_in_halves
from tests.support.projected import UNTIL, VARIED, project, record, varied
from tests.support.strategies import MINUTES, lives

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from domain.delivery import Delivery
    from projections.listing import Filter

KINDS: Final = {
    resource: listing.id_field
    for resource, listing in LISTINGS.items()
    if "customer_id" in {filter_.name for filter_ in listing.filters}
}
AT_ONCE: Final = 100
"""The largest page there is, where a test is not about pages."""
WITH_A_SERVER = settings(max_examples=20)
INSTANTS = st.integers(0, 400).map(lambda days: UNTIL - timedelta(days=days, seconds=1))


@pytest.fixture(scope="module")
def deliveries() -> list[Delivery]:
    return varied()


@pytest.fixture(scope="module")
def past(cluster: str, template: str, deliveries: list[Delivery]) -> Iterator[Past]:
    with told_in_halves(cluster, template, deliveries) as told:
        yield told


def everything(server: Served, path: str, limit: int = 7, /, **query: str) -> list[Any]:
    """Read all pages of a list."""
    found: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        page = server.get(path, limit=limit, **query, **cursor)
        found += page["items"]
        if page["next"] is None:
            return found
        cursor = {"cursor": page["next"]}


def objects(server: Served, resource: str, **then: str) -> list[Any]:
    """Ask for each object of today's list, as it was; those that were not there are left out."""
    ids = [one[KINDS[resource]] for one in everything(server, f"/v1/{resource}", AT_ONCE)]
    answers = [server.client.get(f"/v1/{resource}/{one}", params=then) for one in ids]
    assert {answer.status_code for answer in answers} <= {200, 404}
    return [answer.json() for answer in answers if answer.status_code == 200]


def text(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


@WITH_A_SERVER
@given(st.sampled_from(sorted(KINDS)), INSTANTS)
def test_a_list_as_of_an_instant_is_its_objects_as_of_it(
    past: Past, resource: str, instant: datetime
) -> None:
    then = {"as_of": text(instant)}
    expected = objects(past.server, resource, **then)
    assert everything(past.server, f"/v1/{resource}", **then) == expected


@WITH_A_SERVER
@given(st.sampled_from(sorted(KINDS)), INSTANTS)
def test_a_list_as_known_at_a_time_is_its_objects_as_known_then(
    past: Past, resource: str, instant: datetime
) -> None:
    known = {"known_at": past.between}
    expected = objects(past.server, resource, **known)
    assert everything(past.server, f"/v1/{resource}", **known) == expected
    both = known | {"as_of": text(instant)}
    expected = objects(past.server, resource, **both)
    assert everything(past.server, f"/v1/{resource}", **both) == expected


def test_what_was_known_is_told_whole_after_a_crash_of_the_database(past: Past) -> None:
    known = {"known_at": past.between}
    before = everything(past.server, "/v1/subscriptions", **known)
    assert before
    empty_as_a_crash_does(past.conninfo)
    assert everything(past.server, "/v1/subscriptions", **known) == before


def empty_as_a_crash_does(conninfo: str) -> None:
    """Do to the unlogged tables what PostgreSQL does to them when it recovers."""
    with psycopg.connect(conninfo, autocommit=True) as conn:
        unlogged = "SELECT oid::regclass::text FROM pg_class WHERE relpersistence = 'u'"
        names = [name for (name,) in conn.execute(f"{unlogged} AND relkind = 'r'")]
        assert any(name.startswith("raphus_known_") for name in names)
        conn.execute(f"TRUNCATE {', '.join(names)}".encode())


@WITH_A_SERVER
@given(INSTANTS, st.booleans())
def test_the_list_of_customers_is_each_customer_as_of_the_time(
    past: Past, instant: datetime, was_known: bool
) -> None:
    server = past.server
    then = {"as_of": text(instant)} | ({"known_at": past.between} if was_known else {})
    ids = [one["customer_id"] for one in everything(server, "/v1/customers", AT_ONCE)]
    assert len(set(ids)) == len(ids) == sum(VARIED.values())
    answers = [server.client.get(f"/v1/customers/{one}", params=then) for one in ids]
    expected = [answer.json() for answer in answers if answer.status_code == 200]
    listed = everything(server, "/v1/customers", **then)
    by_id = itemgetter("customer_id")
    assert sorted(listed, key=by_id) == sorted(expected, key=by_id)
    if not was_known:
        assert [by_id(one) for one in listed] == [one for one in ids if one in map(by_id, listed)]


def test_the_view_and_the_sum_of_the_past_say_the_same_of_now(past: Past) -> None:
    now = {"as_of": text(datetime.now(UTC))}
    listed = everything(past.server, "/v1/customers")
    assert everything(past.server, "/v1/customers", **now) == listed
    assert all(one["email"] and one["sources"]["email"] for one in listed)
    claimed = {pair for one in everything(past.server, "/v1/payments") for pair in user(one)}
    assert claimed
    for customer_id, user_id in claimed:
        found = everything(past.server, "/v1/customers", external_id=user_id)
        assert [one["customer_id"] for one in found] == [customer_id]
        assert everything(past.server, "/v1/customers", external_id=user_id, **now) == found


def user(payment: dict[str, Any]) -> list[tuple[str, str]]:
    """Who has paid, by Dodo's id and by the merchant's."""
    pairs = payment["metadata"]
    return [(payment["customer_id"], pairs["user_id"])] if "user_id" in pairs else []


Entities: TypeAlias = "dict[str, list[dict[str, Any]]]"
"""The lists of one instant, whole, by resource."""


class Question(NamedTuple):
    """A filter's value as it is asked for, of the lists of an instant."""

    value: str
    instant: datetime
    lists: Entities


def is_active(one: dict[str, Any], question: Question) -> bool:
    ends_at = one["past_due_ends_at"] and datetime.fromisoformat(one["past_due_ends_at"])
    gives = counts_as_active(one["status"], ends_at, question.instant)
    return gives is (question.value == "true")


def is_open(one: dict[str, Any], question: Question) -> bool:
    return (one["status"] in OPEN) is (question.value == "true")


def is_for_product(one: dict[str, Any], question: Question) -> bool:
    """Tell whether it says the product itself, or its payment does, or that one's subscription."""
    if "product_id" in one:
        return bool(one["product_id"] == question.value)
    if "product_ids" not in one:
        payments = question.lists["payments"]
        (one,) = (each for each in payments if each["payment_id"] == one["payment_id"])
    return question.value in one["product_ids"] or any(
        each["subscription_id"] == one["subscription_id"] and is_for_product(each, question)
        for each in question.lists["subscriptions"]
    )


def has_the_pair(one: dict[str, Any], question: Question) -> bool:
    key, _, value = question.value.partition("=")
    return bool(one["metadata"].get(key) == value)


MEANINGS: Final[dict[str, Callable[[dict[str, Any], Question], bool]]] = {
    "product_id": is_for_product,
    "created_at_gte": lambda one, question: one["created_at"] >= question.value,
    "created_at_lte": lambda one, question: one["created_at"] <= question.value,
    "active": is_active,
    "open": is_open,
    "metadata": has_the_pair,
}
"""What the filters mean that are not just for the value of the field with their name."""


def has_the_value(name: str) -> Callable[[dict[str, Any], Question], bool]:
    return lambda one, question: bool(one[name] == question.value)


def values_of(asked: Filter, resource: str, lists: Entities) -> set[str]:
    """Return values to ask a filter for."""
    if asked.type is bool:
        return {"true", "false"}
    if asked.type is datetime:
        times = sorted(one["created_at"] for one in lists[resource])
        return {times[len(times) // 3], times[-1]}
    if asked.name == "metadata":
        pairs = {pair for one in lists[resource] for pair in one["metadata"].items()}
        return {f"{key}={value}" for key, value in sorted(pairs)[:3] + sorted(pairs)[-3:]}
    own = "subscriptions" if asked.name == "product_id" else resource
    return set(sorted({str(one[asked.name]) for one in lists[own] if one[asked.name]})[:5])


def as_asked(asked: Filter, value: str) -> dict[str, str]:
    """Return the parameter that asks a filter for a value."""
    if asked.type is dict:
        key, _, value = value.partition("=")
        return {f"{asked.name}[{key}]": value}
    return {asked.name: value}


@pytest.mark.parametrize("days", [None, 10, 20, 60])
def test_each_filter_of_each_list_means_the_same_of_today_and_of_the_past(
    past: Past, days: int | None
) -> None:
    then = {} if days is None else {"as_of": text(UNTIL - timedelta(days=days))}
    instant = datetime.now(UTC) if days is None else UNTIL - timedelta(days=days)
    # The merchant has no products: no webhook is about one.
    listings = {name: listing for name, listing in LISTINGS.items() if name != "products"}
    lists = {name: everything(past.server, f"/v1/{name}", AT_ONCE, **then) for name in listings}
    for resource, listing in listings.items():
        for asked in listing.filters:
            meant = MEANINGS.get(asked.name) or has_the_value(asked.name)
            found = []
            for value in values_of(asked, resource, lists):
                question = Question(value, instant, lists)
                expected = [one for one in lists[resource] if meant(one, question)]
                given_ = as_asked(asked, value) | then
                if then and asked.then is None:
                    refused = past.server.refused(f"/v1/{resource}", **given_)
                    assert refused == (400, "invalid_parameter")
                    continue
                told = everything(past.server, f"/v1/{resource}", AT_ONCE, **given_)
                assert told == expected
                found += expected
            assert found or (then and asked.then is None), f"nothing is asked by {asked.name}"


def test_grace_gives_access_until_it_ends_at_the_instant_that_is_asked_about(
    database: str,
) -> None:
    about: dict[str, Any] = {"customer_id": "cus_1"}
    ends = {"past_due_ends_at": "2026-05-01T12:20:00Z"}
    record(
        database,
        [
            *(
                said("subscription.active", 0, f"msg_{number}", subscription_id=number, **about)
                for number in ("sub_1", "sub_2")
            ),
            said("subscription.past_due", 10, "msg_3", subscription_id="sub_1", **about, **ends),
            # Nothing says when this one's grace ends: the status alone decides.
            said("subscription.past_due", 10, "msg_4", subscription_id="sub_2", **about),
            said("subscription.on_hold", 40, "msg_5", subscription_id="sub_2", **about),
        ],
    )
    project(database)
    with served(database) as server:
        for minute, active in (
            (5, ["sub_2", "sub_1"]),
            (10, ["sub_2", "sub_1"]),
            (19, ["sub_2", "sub_1"]),
            (20, ["sub_2"]),
            (30, ["sub_2"]),
            (50, []),
        ):
            then = {"as_of": text(NOON + timedelta(minutes=minute))}
            listed = everything(server, "/v1/subscriptions", active="true", **then)
            assert [one["subscription_id"] for one in listed] == active
            others = everything(server, "/v1/subscriptions", active="false", **then)
            assert len(listed) + len(others) == 2
            customer = server.get("/v1/customers/cus_1", **then)
            assert customer["active_subscriptions"] == len(active)


def test_a_product_is_asked_of_what_was_bought_then(database: str) -> None:
    about: dict[str, Any] = {"subscription_id": "sub_1", "customer": {"customer_id": "cus_1"}}
    paid = about | {"payment_id": "pay_1"}
    record(
        database,
        [
            said("subscription.active", 0, **about, product_id="pdt_1"),
            said("payment.succeeded", 0, **paid),
            said("refund.succeeded", 1, payment_id="pay_1", refund_id="ref_1"),
            said("dispute.opened", 1, payment_id="pay_1", dispute_id="dp_1"),
            said("subscription.plan_changed", 5, **about, product_id="pdt_2"),
        ],
    )
    project(database)
    with served(database) as server:
        for minute, product_id in ((4, "pdt_1"), (6, "pdt_2")):
            then = {"as_of": f"2026-05-01T12:{minute:02}:00Z"}
            for resource in ("subscriptions", "payments", "refunds", "disputes"):
                (found,) = everything(server, f"/v1/{resource}", product_id=product_id, **then)
                assert found["customer_id"] == "cus_1"
                other = {"pdt_1": "pdt_2", "pdt_2": "pdt_1"}[product_id]
                assert everything(server, f"/v1/{resource}", product_id=other, **then) == []


@settings(max_examples=6)
@given(INSTANTS)
def test_a_customer_as_of_an_instant_is_the_customer_of_the_facts_up_to_it(
    cluster: str,
    template: str,
    past: Past,
    deliveries: list[Delivery],
    instant: datetime,
) -> None:
    occurred = [one for one in deliveries if read_envelope(one.body).timestamp <= instant]
    then = {"as_of": text(instant)}
    customers = {str(one["customer_id"]) for one in everything(past.server, "/v1/subscriptions")}
    with copied(cluster, template) as conninfo:
        record(conninfo, occurred)
        project(conninfo)
        with served(conninfo) as only_then:
            for path in (f"/v1/customers/{one}" for one in customers):
                known, was = only_then.client.get(path), past.server.client.get(path, params=then)
                assert_same(only_then.client.get(path, params=then), was)
                # A grace that ran then has ended by now.
                active = {"active_subscriptions": was.json().get("active_subscriptions")}
                assert (known.status_code, {**known.json(), **active}) == (
                    was.status_code,
                    {**was.json(), **active},
                )
            assert_same_facts(
                everything(only_then, "/v1/refusals"),
                everything(past.server, "/v1/refusals", **then),
            )
            for one in customers:
                path = f"/v1/customers/{one}/timeline"
                if only_then.client.get(path).status_code == 200:
                    assert_same_facts(
                        everything(only_then, path), everything(past.server, path, **then)
                    )


def assert_same(there: Any, then: Any) -> None:  # noqa: ANN401 -- answers
    assert (there.status_code, there.json()) == (then.status_code, then.json())


def assert_same_facts(there: list[Any], then: list[Any]) -> None:
    places = {"position", "recorded_at"}
    told = [[{k: v for k, v in one.items() if k not in places} for one in x] for x in (there, then)]
    if told[0]:
        assert sorted(map(msgspec.json.encode, told[0])) == sorted(
            map(msgspec.json.encode, told[1])
        )


def test_a_customer_as_known_at_a_time_is_the_customer_of_what_was_recorded(past: Past) -> None:
    known = {"known_at": past.between}
    payments = everything(past.server, "/v1/payments", **known)
    for customer_id in {str(one["customer_id"]) for one in payments}:
        path = f"/v1/customers/{customer_id}"
        facts = everything(past.server, f"{path}/timeline", **known)
        assert facts
        assert max(one["recorded_at"] for one in facts) <= past.between
        customer = past.server.get(path, **known)
        own = [one for one in payments if one["customer_id"] == customer_id]
        assert customer["payments"] == len(own)
        assert customer["last_seen_at"] == max(one["occurred_at"] for one in facts)


def test_events_are_listed_by_when_they_occurred_and_were_recorded(
    past: Past, deliveries: list[Delivery]
) -> None:
    known = everything(past.server, "/v1/events", known_at=past.between)
    assert known[-1]["recorded_at"] <= past.between
    assert len(known) < len(deliveries)
    instant = UNTIL - timedelta(days=100)
    occurred = everything(past.server, "/v1/events", as_of=text(instant))
    expected = [one for one in deliveries if read_envelope(one.body).timestamp <= instant]
    assert {one["webhook_id"] for one in occurred} == {one.webhook_id for one in expected}
    last = past.server.get("/v1/events", after=str(int(known[-1]["position"])))["items"][0]
    path = f"/v1/events/{last['webhook_id']}"
    assert past.server.get(path)["body"]
    assert past.server.refused(path, known_at="2020-01-01T00:00:00Z") == (404, "not_found")


@settings(max_examples=5)
@given(lives())
def test_of_odd_bodies_too_a_list_is_its_objects(
    cluster: str, template: str, arrivals: list[Delivery]
) -> None:
    with copied(cluster, template) as conninfo:
        record(conninfo, arrivals)
        project(conninfo)
        with served(conninfo) as server:
            for minute in range(-1, MINUTES + 1):
                then = {"as_of": text(NOON + timedelta(minutes=minute))}
                for resource in KINDS:
                    expected = objects(server, resource, **then)
                    assert everything(server, f"/v1/{resource}", **then) == expected
