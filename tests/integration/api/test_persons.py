"""Persons: found by the merchant's own id or an e-mail address, now and at any time of the past."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
import psycopg
import pytest

from api.queries.persons import PERSONS_MAX
from domain.identities import EXTERNAL_ID_KEYS
from domain.personal_data import order_of
from projections.read_models import customers, holdings, whole
from projections.read_models.claims import Asked
from projections.read_models.holdings import Limits
from tests.support.histories import said
from tests.support.http_server import Served
from tests.support.projected import project, record
from tests.support.rebuilds import rebuilt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from domain.delivery import Delivery
    from tests.support.samples import Json

HOSTILE = ["50%", "%(x)s", "'; DROP TABLE x; --", '"', "\\", "😀 %s", "x" * 500]


def bought(number: int, minute: int, customer: Mapping[str, object], **data: Json) -> Delivery:
    about: dict[str, object] = {"payment_id": f"pay_{number}", "customer": customer, **data}
    return said("payment.succeeded", minute, f"msg_{number}", **about)


def take(server: Served, database: str, *deliveries: Delivery) -> None:
    """Record deliveries, and wait until the read models show them."""
    record(database, deliveries)
    server.get("/v1/refusals", min_position=server.get("/readyz")["log_position"])


def found(server: Served, **asked: str) -> list[str]:
    return [one["customer_id"] for one in server.get("/v1/customers", **asked)["items"]]


def persons(server: Served, **asked: str) -> list[str]:
    return [one["customer_id"] for one in server.get("/v1/access", **asked)["customers"]]


def at(minute: int) -> str:
    return f"2026-05-01T12:{minute:02d}:00Z"


def test_what_a_customer_is_comes_from_the_newest_fact_that_says_it(
    server: Served, database: str
) -> None:
    new = {"customer_id": "cus_1", "email": "new@example.com", "name": None}
    old = {"customer_id": "cus_1", "email": "old@example.com", "name": "Ann", "metadata": {"a": 1}}
    take(server, database, bought(2, 9, new), bought(1, 5, old))
    one = server.get("/v1/customers/cus_1")
    assert (one["email"], one["name"], one["phone_number"]) == ("new@example.com", "Ann", None)
    assert one["metadata"] == {"a": "1"}
    assert {name: said_by["webhook_id"] for name, said_by in one["sources"].items()} == {
        "email": "msg_2",
        "name": "msg_1",
        "metadata": "msg_1",
    }
    assert server.get("/v1/customers/cus_1", as_of=at(20)) == one
    was = server.get("/v1/customers/cus_1", as_of=at(8))
    assert (was["email"], was["sources"]["email"]["occurred_at"]) == ("old@example.com", at(5))
    assert server.get("/v1/customers/cus_1/lifecycle")["customer"] == one
    assert server.get("/v1/customers")["items"] == [one]
    assert server.get("/v1/customers", as_of=at(8))["items"] == [was]


def test_the_source_of_the_past_is_the_newest_fact_of_then(server: Served, database: str) -> None:
    ann = {"customer_id": "cus_1", "email": "ann@example.com"}
    ben = {"customer_id": "cus_1", "email": "ben@example.com"}
    told = {"subscription_id": "sub_1"}
    take(
        server,
        database,
        said("subscription.active", 0, "msg_1", **told, customer=ann),
        bought(2, 5, ben),
        said("subscription.renewed", 9, "msg_3", **told, customer=ann),
    )
    assert server.get("/v1/customers/cus_1")["sources"]["email"]["webhook_id"] == "msg_3"
    was = server.get("/v1/customers/cus_1", as_of=at(6))
    assert (was["email"], was["sources"]["email"]["webhook_id"]) == ("ben@example.com", "msg_2")
    assert persons(server, email="ann@example.com", as_of=at(6)) == []
    assert persons(server, email="ann@example.com") == ["cus_1"]


def test_an_address_finds_whoever_has_it_now_in_any_case(server: Served, database: str) -> None:
    take(
        server,
        database,
        bought(1, 1, {"customer_id": "cus_1", "email": "Straße@Example.com"}),
        bought(2, 2, {"customer_id": "cus_2", "email": "İ@example.com"}),
        bought(3, 3, {"customer_id": "cus_1", "email": "ann@example.com"}),
        bought(4, 4, {"customer_id": "cus_3", "email": "STRASSE@example.com"}),
    )
    assert found(server, email="STRASSE@EXAMPLE.COM") == ["cus_3"]
    assert found(server, email="straße@example.com") == ["cus_3"]
    assert found(server, email="i̇@EXAMPLE.com") == ["cus_2"]
    assert found(server, email="Ann@example.com") == persons(server, email="ANN@example.com")
    assert found(server, email="STRASSE@EXAMPLE.COM", as_of=at(2)) == ["cus_1"]
    assert found(server, email="x" * 500) == []


def test_an_id_is_found_wherever_it_is_claimed(server: Served, database: str) -> None:
    mine: dict[str, Json] = {"user_id": 42}
    owner = {"customer_id": "cus_4", "metadata": mine}
    take(
        server,
        database,
        bought(1, 1, {"customer_id": "cus_1"}, metadata=mine),
        said("subscription.active", 2, "msg_2", subscription_id="sub_1", customer_id="cus_2",
             metadata=mine),
        said("abandoned_checkout.detected", 3, "msg_3", customer_id="cus_3", metadata=mine),
        bought(4, 4, owner),
        bought(5, 5, {"customer_id": "cus_5"}),
        said("refund.succeeded", 6, "msg_6", payment_id="pay_5", refund_id="ref_1", metadata=mine),
        bought(7, 7, {"customer_id": "cus_6"}, metadata={"user_id": "421", "note": "42"}),
    )  # fmt: skip
    answer = server.get("/v1/access", external_id="42")
    keys = {one["customer_id"]: one["claims"] for one in answer["customers"]}
    assert list(keys) == ["cus_1", "cus_2", "cus_4", "cus_5", "cus_3"]
    assert [one["code"] for one in answer["doubts"] if one["kind"] == "customer"] == ["several"]
    assert keys["cus_4"] == [
        {
            "kind": "payment",
            "id": "pay_4",
            "key": "customer.metadata.user_id",
            "webhook_id": "msg_4",
        }
    ]
    (refund,) = keys["cus_5"]
    assert (refund["kind"], refund["key"]) == ("refund", "metadata.user_id")
    assert found(server, external_id="42") == ["cus_5", "cus_4", "cus_3", "cus_2", "cus_1"]
    assert found(server, external_id="42", as_of=at(2)) == ["cus_2", "cus_1"]
    first = server.get("/v1/customers", external_id="42", limit=2)
    rest = server.get("/v1/customers", external_id="42", limit=9, cursor=first["next"])
    listed = [one["customer_id"] for one in first["items"] + rest["items"]]
    assert listed == ["cus_5", "cus_4", "cus_3", "cus_2", "cus_1"]
    checkout = server.get("/v1/customers/cus_3")
    assert (checkout["payments"], checkout["first_seen_at"]) == (0, at(3))
    assert server.get("/v1/customers/cus_3", as_of=at(9)) == checkout
    assert server.get("/v1/customers/cus_3/timeline")["items"] == []


def test_of_several_keys_the_first_that_is_there_is_the_claim(
    server: Served, database: str
) -> None:
    take(
        server,
        database,
        bought(1, 1, {"customer_id": "cus_1"}, metadata={"userId": "7", "organizationId": "org"}),
        bought(2, 2, {"customer_id": "cus_2"}, metadata={"organizationId": "org"}),
    )
    assert persons(server, external_id="org") == ["cus_2"]
    assert persons(server, external_id="7") == ["cus_1"]


def test_what_is_said_no_more_is_claimed_no_more(server: Served, database: str) -> None:
    take(
        server,
        database,
        said("subscription.active", 1, "msg_1", subscription_id="sub_1", customer_id="cus_1",
             metadata={"user_id": "42"}),
        said("subscription.updated", 5, "msg_2", subscription_id="sub_1", customer_id="cus_1",
             metadata={"user_id": "43"}),
        bought(3, 6, {"customer_id": "cus_2", "metadata": {"user_id": "42"}}),
        bought(4, 7, {"customer_id": "cus_2", "metadata": {}}),
    )  # fmt: skip
    assert persons(server, external_id="42") == []
    assert persons(server, external_id="42", as_of=at(2)) == ["cus_1"]
    assert persons(server, external_id="42", as_of=at(6)) == ["cus_2"]
    assert persons(server, external_id="43") == ["cus_1"]


def test_two_hundred_forged_claims_take_nothing_from_who_has_paid(
    server: Served, database: str
) -> None:
    mine: dict[str, Json] = {"user_id": "42"}
    checkouts = [
        said("abandoned_checkout.detected", 1, f"msg_a{number}", customer_id=f"cus_a{number}",
             metadata=mine)
        for number in range(PERSONS_MAX)
    ]  # fmt: skip
    failed = [
        said("payment.failed", 1, f"msg_b{number}", payment_id=f"pay_b{number}",
             customer={"customer_id": f"cus_b{number}"}, metadata=mine)
        for number in range(PERSONS_MAX)
    ]  # fmt: skip
    buyer = bought(1, 8, {"customer_id": "cus_1"}, metadata=mine, subscription_id=None)
    later = bought(2, 9, {"customer_id": "cus_2"}, metadata=mine, subscription_id=None)
    take(server, database, *checkouts, *failed, buyer, later)
    for then in ({}, {"as_of": at(9)}):
        answer = server.get("/v1/access", external_id="42", **then)
        assert answer["access"]
        assert {one["id"] for one in answer["rests_on"]} == {"pay_1", "pay_2"}
        claimants = [one["customer_id"] for one in answer["customers"]]
        assert claimants[:2] == ["cus_1", "cus_2"], "who bought first comes first"
        assert len(claimants) == PERSONS_MAX
        assert all(one.startswith("cus_b") for one in claimants[2:]), "notices come last"
        assert [one["code"] for one in answer["doubts"] if one["kind"] == "customer"] == [
            "several",
            "cut",
        ]
    state = server.get("/v1/customers/external/42/state")
    assert [one["customer_id"] for one in state["customers"]][:2] == ["cus_1", "cus_2"]
    assert {one["code"] for one in state["doubts"]} >= {"several", "cut"}


@pytest.mark.parametrize("then", [{}, {"as_of": at(59)}], ids=["now", "as of"])
def test_who_is_known_by_a_notice_alone_is_known(
    server: Served, database: str, then: dict[str, str]
) -> None:
    take(server, database, said("abandoned_checkout.detected", 3, "msg_1", customer_id="cus_1"))
    answer = server.get("/v1/access", customer_id="cus_1", **then)
    assert (answer["access"], answer["reason"]["code"]) == (False, "never_bought")
    (one,) = answer["customers"]
    assert one["claims"] == [
        {"kind": "notice", "id": "msg_1", "key": "customer_id", "webhook_id": "msg_1"}
    ]
    state = server.get("/v1/customers/cus_1/state", **then)
    assert state["access"]["reason"]["code"] == "never_bought"
    assert server.get("/v1/access", customer_id="cus_1", as_of=at(2))["reason"]["code"] == (
        "unknown_person"
    )
    assert server.refused("/v1/customers/cus_1/state", as_of=at(2)) == (404, "not_found")


@pytest.mark.parametrize("then", [{}, {"as_of": at(59)}], ids=["now", "as of"])
def test_a_customer_of_another_business_of_the_same_id_is_told(
    server: Served, database: str, then: dict[str, str]
) -> None:
    mine = bought(1, 1, {"customer_id": "cus_1", "email": "ann@example.com"})
    theirs = said("abandoned_checkout.detected", 3, "msg_2", customer_id="cus_1")
    body = theirs.body.replace(b"bus_1", b"bus_2")
    take(server, database, mine, msgspec.structs.replace(theirs, body=body))
    state = server.get("/v1/customers/cus_1/state", **then)
    told = [(one["business_id"], one["email"]) for one in state["customers"]]
    assert told == [("bus_1", "ann@example.com"), ("bus_2", None)]
    assert [one["code"] for one in state["doubts"] if one["kind"] == "customer"] == ["several"]


def test_a_state_tells_who_it_is_and_by_which_webhooks(server: Served, database: str) -> None:
    new = {"customer_id": "cus_1", "email": "new@example.com", "name": None}
    old = {"customer_id": "cus_1", "email": "old@example.com", "name": "Ann", "metadata": {"a": 1}}
    take(server, database, bought(2, 9, new), bought(1, 5, old))
    for then in ({}, {"as_of": at(20)}, {"as_of": at(8)}):
        (one,) = server.get("/v1/customers/cus_1/state", **then)["customers"]
        customer = server.get("/v1/customers/cus_1", **then)
        claims = one.pop("claims")
        assert one == {name: customer[name] for name in one}
        assert one["sources"]["name"] == {"webhook_id": "msg_1", "occurred_at": at(5)}
        assert claims[0]["webhook_id"] in {"msg_1", "msg_2"}
    known = server.get("/v1/events", limit=1)["items"][0]["recorded_at"]
    (one,) = server.get("/v1/customers/cus_1/state", known_at=known)["customers"]
    assert one["email"] in {"new@example.com", "old@example.com"}


def test_who_a_customer_is_is_the_same_whichever_way_it_is_read(
    server: Served, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = {"customer_id": "cus_1", "email": "ann@example.com", "name": "Ann", "metadata": {"a": 1}}
    mine = [
        bought(1, 1, ann),
        # Of one instant, the later by rank counts, which is the subscription; then by webhook-id.
        bought(2, 1, {"customer_id": "cus_1", "email": "b@example.com", "metadata": {}}),
        said("subscription.active", 1, "msg_3", subscription_id="sub_1", customer=ann),
        said("subscription.updated", 2, "msg_4", subscription_id="sub_1", customer_id="cus_2"),
        said("refund.succeeded", 6, "msg_5", payment_id="pay_1", refund_id="ref_1", amount=1),
        said("dispute.opened", 7, "msg_6", dispute_id="dp_1", payment_id="pay_1",
             customer={"customer_id": "cus_2", "email": "other@example.com"}),
        said("abandoned_checkout.detected", 9, "msg_7", customer_id="cus_1"),
        *(bought(number, number, {"customer_id": "cus_1"}) for number in range(10, 22)),
    ]  # fmt: skip
    theirs = [
        msgspec.structs.replace(
            one, webhook_id=f"{one.webhook_id}_2", body=one.body.replace(b"bus_1", b"bus_2")
        )
        for one in (*mine[:2], mine[6])
    ]
    take(server, database, *mine, *theirs)
    ids = ("cus_1", "cus_2")

    def answers() -> list[Any]:
        states = [server.get(f"/v1/customers/{one}/state") for one in ids]
        accesses = [server.get("/v1/access", customer_id=one) for one in ids]
        return [{k: v for k, v in one.items() if k != "at"} for one in states + accesses]

    by_the_short = answers()
    first, second = by_the_short[0]["customers"]
    assert (first["email"], first["name"], len(first["claims"])) == ("ann@example.com", "Ann", 10)
    assert (second["business_id"], second["email"]) == ("bus_2", "b@example.com")
    assert by_the_short[0]["open_disputes"] == by_the_short[1]["open_disputes"] != []
    monkeypatch.setattr("api.queries.holdings.ROWS_MAX", 0)
    assert by_the_short == answers()


def test_known_at_tells_what_was_known_then(server: Served, database: str) -> None:
    one = {"customer_id": "cus_1", "email": "ann@example.com", "metadata": {"user_id": "42"}}
    take(server, database, bought(1, 1, one))
    (first,) = server.get("/v1/events")["items"]
    late = {"customer_id": "cus_1", "email": "ben@example.com", "metadata": {"user_id": "43"}}
    take(server, database, bought(2, 2, late))
    then = {"known_at": first["recorded_at"]}
    was = server.get("/v1/customers/cus_1", **then)
    assert (was["email"], was["metadata"]) == ("ann@example.com", {"user_id": "42"})
    assert found(server, external_id="42", **then) == ["cus_1"]
    assert found(server, external_id="42") == []
    assert persons(server, email="ann@example.com", **then) == ["cus_1"]
    assert persons(server, email="ann@example.com", **then, as_of=at(0)) == []


@pytest.mark.parametrize("text", HOSTILE)
def test_what_buyers_write_is_found_as_it_is(server: Served, database: str, text: str) -> None:
    pairs: dict[str, Json] = {"user_id": text, "other": "a\0b"}
    take(server, database, bought(1, 1, {"customer_id": "cus_1", "email": text}, metadata=pairs))
    assert found(server, external_id=text) == ["cus_1"]
    (one,) = server.get("/v1/payments", **{"metadata[user_id]": text})["items"]
    assert one["metadata"] == {"user_id": text, "other": "a�b"}
    query = {"metadata[user_id]": text, "metadata[other]": "none"}
    assert server.get("/v1/payments", **query)["items"] == []
    assert server.get("/v1/payments", **{"metadata[%s]": text})["items"] == []


def test_a_tenants_customers_are_its_own(server: Served, database: str) -> None:
    mine = bought(1, 1, {"customer_id": "cus_1", "email": "a@x.com"}, metadata={"user_id": "42"})
    theirs = msgspec.structs.replace(
        mine, webhook_id="msg_2", body=mine.body.replace(b"bus_1", b"bus_2")
    )
    take(server, database, mine, theirs)
    for asked in ({}, {"email": "a@x.com"}, {"external_id": "42"}):
        one = server.get("/v1/customers", business_id="bus_1", **asked)["items"]
        both = server.get("/v1/customers", **asked)["items"]
        assert [each["business_id"] for each in one] == ["bus_1"]
        assert [each["business_id"] for each in both] == ["bus_2", "bus_1"]
        then = server.get("/v1/customers", as_of=at(9), **asked)["items"]
        assert then == both


@pytest.mark.parametrize(
    "asked",
    [{}, {"email": "a", "external_id": "b"}, {"customer_id": "a", "email": "b"}],
)
def test_who_is_asked_about_is_told_in_one_way(untold: Served, asked: dict[str, str]) -> None:
    answer = untold.client.get("/v1/access", params=asked)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["details"] == {"expected": ["customer_id", "email", "external_id"]}
    assert "exactly one of" in error["message"]


@pytest.mark.parametrize(
    "query",
    [
        "metadata[]=x",
        "metadata[a]=x&metadata[a]=y",
        "metadata[a]=",
        "metadata[a]=" + "x" * 501,
        "metadata[" + "x" * 101 + "]=x",
        "metadata[a]=%00",
    ],
)
def test_pairs_that_are_none_are_refused(untold: Served, query: str) -> None:
    answer = untold.client.get(f"/v1/payments?{query}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_parameter")


@pytest.mark.parametrize("query", ["metadata=x", "metadata[a=x"])
def test_pairs_without_a_key_are_no_parameter(untold: Served, query: str) -> None:
    answer = untold.client.get(f"/v1/payments?{query}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "unknown_parameter")


def test_a_notice_whose_further_body_names_nobody_loses_its_customer(database: str) -> None:
    about = {"customer_id": "cus_1", "metadata": {"user_id": "42"}}
    named = said("abandoned_checkout.detected", 5, "msg_1", **about)
    # The body that counts is the first by its bytes, whichever came first.
    other = msgspec.structs.replace(named, body=named.body.replace(b'"cus_1"', b'""'))
    assert order_of(other) < order_of(named)
    record(database, [named])
    project(database)
    record(database, [other])
    project(database)
    with psycopg.connect(database) as conn:
        assert conn.execute("SELECT count(*) FROM raphus.identities").fetchone() == (0,)
    assert rebuilt(database, check=True).equal


MANY: Final = """
    INSERT INTO raphus.identities (stream_id, kind, id, business_id, first_position, valid_from,
        ordinal, occurred_at, rank, webhook_id, customer_id, metadata)
    SELECT 'subscription/bus_1/sub_' || n, 'subscription', 'sub_' || n, 'bus_1', n, now(), 0, now(),
        1, 'msg_' || n, 'cus_' || n, jsonb_build_object('user_id', 'user_' || n)
    FROM generate_series(1, 20000) AS n
"""


def test_a_look_up_is_planned_once_however_many_keys_there_are(database: str) -> None:
    """Planning takes ten times what finding takes: a plan that is kept must not look dearer."""
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute(MANY)
        conn.execute("ANALYZE raphus.identities")
    for keys in (("user_id",), ("userId", "user_id"), EXTERNAL_ID_KEYS):
        asked = Asked(external_id="user_7", keys=keys)
        statement = holdings.now(asked, Limits(101, 10, 100, 1_001, 10_000), None, identified=True)
        with psycopg.connect(database, autocommit=True) as conn:
            conn.execute("SET search_path = raphus")
            for _ in range(20):
                conn.execute(statement.sql.encode(), statement.params)
            sql = "SELECT custom_plans, generic_plans FROM pg_prepared_statements"
            assert conn.execute(sql).fetchall() == [(5, 10)], keys


def test_persons_are_found_by_indexes(database: str) -> None:
    keys = ("user_id", "userId")
    limits = Limits(101, 10, 100, 1_001, 10_000)
    statements: list[Any] = [
        holdings.now(asked, limits, None, identified=True)
        for asked in (
            Asked(customer_id="cus_1"),
            Asked(email="a@example.com"),
            Asked(external_id="42", keys=keys),
        )
    ]
    statements += [
        customers.page(asked, business_id=None, as_of=None, before=None, limit=9)
        for asked in ([], [Asked(email="a")], [Asked(external_id="42", keys=keys)])
    ]
    statements += [customers.by_ids(["cus_1", "cus_2"])]
    statements += [whole.of_customer("cus_1", None, 200, identified=True)]
    with psycopg.connect(database) as conn:
        # The tables are small: what has an index at all is to be found out.
        conn.execute("SET enable_seqscan = off; SET search_path = raphus")
        for statement in statements:
            plan = conn.execute(f"EXPLAIN {statement.sql}".encode(), statement.params).fetchall()
            text = "\n".join(line for (line,) in plan)
            text = text.replace("Seq Scan on projections_tracking", "")  # it has a few rows
            assert "Seq Scan" not in text, f"{statement.sql}\n{text}"
