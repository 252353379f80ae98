"""Tables and views: real columns that follow from the structs, and what joins the read models."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from domain.aggregates.dispute import OPEN
from domain.aggregates.payment import PaymentEntity
from domain.aggregates.refund import RefundEntity
from domain.aggregates.subscription import SubscriptionEntity, counts_as_active
from domain.customer import Customer, Totals
from domain.state_machine import Verdict
from ledger.application import Ledger
from postgres.statement import Statement
from projections.read_model import columns_of
from projections.read_models import customers, identities, periods, timeline
from projections.read_models.catalogue import LISTINGS, READ_MODELS
from tests.support.connected import connected
from tests.support.histories import NOON, said
from tests.support.http_server import copied
from tests.support.looks import look, observe
from tests.support.projected import project, record, rows, simulated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from domain.delivery import Delivery
    from domain.entity import Entity
    from domain.timeline import Entry
    from projections.read_model import Column, ReadModel

COLUMNS = """
    SELECT attname, format_type(atttypid, NULL), NOT attnotnull FROM pg_attribute
    WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
    AND attgenerated = '' ORDER BY attnum
"""
KEY = """
    SELECT array_agg(attname::text ORDER BY place) FROM pg_index
    CROSS JOIN LATERAL unnest(indkey) WITH ORDINALITY AS k (number, place)
    JOIN pg_attribute ON attrelid = indrelid AND attnum = k.number
    WHERE indrelid = %s::regclass AND indisprimary
"""
SPELT = {"timestamptz": "timestamp with time zone"}


def columns(conninfo: str, table: str) -> list[tuple[str, str, bool]]:
    with connected(conninfo) as conn:
        return conn.execute(COLUMNS, [f"raphus.{table}"]).fetchall()


def as_declared(columns: tuple[Column, ...]) -> list[tuple[str, str, bool]]:
    return [(name, SPELT.get(type_, type_), nullable) for name, type_, nullable in columns]


@pytest.fixture(scope="module")
def unfilled(cluster: str, template: str) -> Iterator[str]:
    """Give every table and no rows, to tests that write none."""
    with copied(cluster, template) as conninfo:
        yield conninfo


@pytest.mark.parametrize("model", READ_MODELS, ids=lambda model: model.table)
def test_a_tables_columns_and_key_are_those_of_its_read_model(
    unfilled: str, model: ReadModel
) -> None:
    # What all kinds have since a migration stands at the end of tables that were there before.
    assert sorted(columns(unfilled, model.table)) == sorted(as_declared(model.columns))
    with connected(unfilled) as conn:
        assert conn.execute(KEY, [f"raphus.{model.table}"]).fetchone() == (list(model.key),)


@pytest.mark.parametrize(
    ("view", "resource", "names"),
    [
        ("active_subscriptions", "subscriptions", {"product_name", "scheduled_product_name"}),
        ("open_disputes", "disputes", set()),
    ],
)
def test_a_views_columns_are_the_fields_of_its_objects_and_the_names_of_products(
    unfilled: str, view: str, resource: str, names: set[str]
) -> None:
    declared = {one[:2] for one in as_declared(columns_of(LISTINGS[resource].entity))}
    assert {one[:2] for one in columns(unfilled, view)} == declared | {(n, "text") for n in names}


def test_the_columns_of_customers_are_the_fields_of_a_customer(unfilled: str) -> None:
    names = [name for name, _, _ in columns(unfilled, "customers")]
    assert names == list(Customer.__struct_fields__)


class Known:
    """What the aggregates themselves say, worked out without SQL."""

    def __init__(self, conninfo: str) -> None:
        with Ledger(conninfo) as ledger, connected(conninfo) as conn:
            streams = conn.execute("SELECT DISTINCT originator_id FROM raphus.ledger_events")
            aggregates = [ledger.aggregate(stream) for (stream,) in streams]
        self.entities: dict[str, list[Any]] = defaultdict(list)
        for one in aggregates:
            for kind, entity, _ in one.entities():
                self.entities[kind.name].append(entity)
        self.entries = [entry for one in aggregates for entry in one.lines()]
        self.payments = {payment.payment_id: payment for payment in self.entities["payment"]}

    def of_customers(self) -> Iterator[tuple[str, str, Entity]]:
        """Every entity with its kind and its customer: its own, else its payment's."""
        for kind, entities in self.entities.items():
            for entity in entities:
                payment = self.payments.get(getattr(entity, "payment_id", None) or "")
                own = entity.customer_id
                if own is None and payment and kind in {"refund", "dispute"}:
                    own = payment.customer_id
                if own is not None:
                    yield own, kind, entity

    def refused(self) -> list[Entry]:
        not_valid = {Verdict.REFUSED, Verdict.ANOMALY}
        return [entry for entry in self.entries if entry.verdict in not_valid]


@pytest.fixture(scope="module")
def merchant(cluster: str, template: str) -> Iterator[str]:
    """Project a simulated merchant, which nothing changes."""
    with copied(cluster, template) as conninfo:
        record(conninfo, simulated(25))
        project(conninfo)
        yield conninfo


@pytest.fixture(scope="module")
def known(merchant: str) -> Known:
    """Work out what is true of it."""
    return Known(merchant)


def test_the_counts_and_totals_of_every_customer_are_those_of_its_objects(
    merchant: str, known: Known
) -> None:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    totals: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    for customer_id, kind, entity in known.of_customers():
        counts[customer_id][kind] += 1
        counts[customer_id][f"{entity.status} {kind}"] += 1
        counts[customer_id]["refused"] += entity.refused
        counts[customer_id]["giving access"] += is_active(entity)
        if entity.status == "succeeded":
            add_up(totals[customer_id], entity)
    assert len(counts) == 25
    for customer_id, count in counts.items():
        (row,) = rows(merchant, customers.by_id(customer_id))
        found = customers.read(row)
        assert found.subscriptions == count["subscription"]
        assert found.active_subscriptions == count["giving access"]
        assert found.payments == count["payment"]
        assert found.succeeded_payments == count["succeeded payment"]
        assert found.failed_payments == count["failed payment"]
        assert found.refunds == count["refund"]
        assert found.disputes == count["dispute"]
        assert found.open_disputes == sum(count[f"{status} dispute"] for status in OPEN)
        assert found.license_keys == count["license_key"]
        assert found.entitlement_grants == count["entitlement_grant"]
        assert found.credits == count["credit"]
        assert found.dunnings == count["dunning"]
        assert found.abandoned_checkouts == count["abandoned_checkout"]
        assert found.refused == count["refused"]
        assert found.totals == {
            currency: Totals(*sums) for currency, sums in totals[customer_id].items()
        }
    assert sum(one["refund"] for one in counts.values()) > 0
    assert sum(one["dispute"] for one in counts.values()) > 0


def is_active(entity: Entity) -> bool:
    return isinstance(entity, SubscriptionEntity) and counts_as_active(
        entity.status, entity.past_due_ends_at, datetime.now(UTC)
    )


def add_up(totals: dict[str, list[int]], entity: Entity) -> None:
    if isinstance(entity, PaymentEntity):
        totals[entity.currency or ""][0] += entity.total_amount or 0
    elif isinstance(entity, RefundEntity):
        totals[entity.currency or ""][1] += entity.amount or 0


def test_a_customer_is_seen_from_the_first_to_the_last_of_its_objects(
    merchant: str, known: Known
) -> None:
    seen: dict[str, list[Entity]] = defaultdict(list)
    for customer_id, _, entity in known.of_customers():
        seen[customer_id].append(entity)
    for customer_id, entities in seen.items():
        (row,) = rows(merchant, customers.by_id(customer_id))
        found = customers.read(row)
        assert found.first_seen_at == min(entity.created_at for entity in entities)
        assert found.last_seen_at == max(entity.occurred_at for entity in entities)


def test_active_subscriptions_and_open_disputes_are_those_of_the_state_machines(
    merchant: str, known: Known
) -> None:
    active = {s.subscription_id for s in known.entities["subscription"] if is_active(s)}
    select = Statement("SELECT subscription_id FROM raphus.active_subscriptions", {})
    assert {found for (found,) in rows(merchant, select)} == active != set()
    open_ = {d.dispute_id for d in known.entities["dispute"] if d.status in OPEN}
    select = Statement("SELECT dispute_id FROM raphus.open_disputes", {})
    assert {found for (found,) in rows(merchant, select)} == open_


def test_what_is_past_due_is_active_until_its_grace_ends(database: str) -> None:
    now = datetime.now(UTC)
    ends: dict[str, datetime | None] = {
        "sub_running": now + timedelta(hours=1),
        "sub_over": now - timedelta(seconds=1),
        "sub_unknown": None,
    }
    record(
        database,
        [
            said(
                "subscription.past_due",
                0,
                f"msg_{subscription_id}",
                subscription_id=subscription_id,
                customer_id="cus_1",
                past_due_ends_at=ends_at and ends_at.isoformat(),
            )
            for subscription_id, ends_at in ends.items()
        ],
    )
    project(database)
    select = Statement("SELECT subscription_id FROM raphus.active_subscriptions ORDER BY 1", {})
    assert rows(database, select) == [("sub_running",), ("sub_unknown",)]
    listing = LISTINGS["subscriptions"]
    for active, expected in ((True, ["sub_unknown", "sub_running"]), (False, ["sub_over"])):
        found = rows(database, listing.page({"active": active}, before=None, limit=9))
        assert [listing.read(row).entity.subscription_id for row in found] == expected
    (row,) = rows(database, customers.by_id("cus_1"))
    assert customers.read(row).active_subscriptions == 2


def test_views_name_the_products_of_each_business(database: str) -> None:
    to_come = {"id": "chg_1", "product_id": "pdt_2"}
    bought: dict[str, Any] = {"customer_id": "cus_1", "product_id": "pdt_1"}
    record(
        database,
        [
            said(
                "subscription.active",
                0,
                subscription_id="sub_1",
                scheduled_change=to_come,
                **bought,
            ),
            said("license_key.created", 0, id="lic_1", **bought),
            said("subscription.active", 0, subscription_id="sub_2", product_id="pdt_never"),
        ],
    )
    named = {("bus_1", "pdt_1"): "Pro", ("bus_1", "pdt_2"): "Team", ("bus_2", "pdt_1"): "Other"}
    looks = [
        look("product", business_id, NOON, product_id=product_id, name=name)
        for (business_id, product_id), name in named.items()
    ]
    observe(database, looks)
    project(database)
    names = "SELECT subscription_id, product_id, product_name, scheduled_product_name"
    found = rows(database, Statement(f"{names} FROM raphus.active_subscriptions ORDER BY 1", {}))
    assert found == [("sub_1", "pdt_1", "Pro", "Team"), ("sub_2", "pdt_never", None, None)]
    keys = Statement("SELECT id, product_id, product_name FROM raphus.license_key_standings", {})
    assert rows(database, keys) == [("lic_1", "pdt_1", "Pro")]
    plan = Statement("EXPLAIN SELECT subscription_id FROM raphus.active_subscriptions", {})
    assert not [line for (line,) in rows(database, plan) if "products" in str(line)]


def test_refusals_are_the_refused_facts(merchant: str, known: Known) -> None:
    select = Statement("SELECT webhook_id, reason, status FROM raphus.refusals", {})
    expected = {(entry.webhook_id, entry.reason, entry.from_) for entry in known.refused()}
    assert set(rows(merchant, select)) == expected


def test_what_was_refused_is_so_no_more_when_the_missing_fact_arrives(database: str) -> None:
    about = {"dispute_id": "dp_1", "payment_id": "pay_1"}
    count = Statement("SELECT count(*) FROM raphus.refusals", {})
    won = said("dispute.won", 2, "msg_1", **about, dispute_stage="dispute")
    again = said("dispute.opened", 3, "msg_2", **about, dispute_stage="pre_arbitration")
    record(database, [won, said("dispute.accepted", 4, "msg_3", **about)])
    project(database)
    assert rows(database, count) == [(1,)]
    record(database, [again])
    project(database)
    assert rows(database, count) == [(0,)]


def test_an_end_that_dodo_contradicts_is_listed_and_the_subscription_gives_access(
    database: str,
) -> None:
    about = {"subscription_id": "sub_1", "customer_id": "cus_1"}
    record(
        database,
        [
            said("subscription.cancelled", 0, "msg_1", **about, status="cancelled"),
            said("subscription.renewed", 1, "msg_2", **about, status="active"),
        ],
    )
    project(database)
    select = Statement("SELECT webhook_id, verdict, status FROM raphus.refusals", {})
    assert rows(database, select) == [("msg_2", "anomaly", "cancelled")]
    select = Statement("SELECT subscription_id, anomaly FROM raphus.active_subscriptions", {})
    assert rows(database, select) == [("sub_1", "Dodo says active after cancelled, which is final")]
    (listed,) = rows(database, timeline.refusals(as_of=None, after=0, limit=9))
    assert timeline.read(listed).entry.verdict is Verdict.ANOMALY
    (row,) = rows(database, customers.by_id("cus_1"))
    now = customers.read(row)
    assert (now.active_subscriptions, now.refused) == (1, 1)
    then = NOON + timedelta(minutes=1)
    was = rows(database, customers.objects_then(["cus_1"], then))
    told = identities.by_customer(rows(database, identities.said_then(["cus_1"], then)))
    assert list(customers.add_up(was, told, then).values()) == [now]


def through_payment() -> list[Delivery]:
    """Objects without a customer, whose payment has one; another tenant's has another."""
    about = {"payment_id": "pay_1", "amount": 100, "currency": "USD"}
    paid = {"payment_id": "pay_1", "total_amount": 500, "currency": "USD"}
    theirs = said("payment.succeeded", 0, "msg_0", **paid, customer={"customer_id": "cus_2"})
    return [
        msgspec.structs.replace(theirs, body=theirs.body.replace(b"bus_1", b"bus_2")),
        said("payment.succeeded", 0, "msg_1", **paid, customer={"customer_id": "cus_1"}),
        said("refund.succeeded", 1, "msg_2", **about, refund_id="ref_1"),
        said("refund.failed", 1, "msg_3", **about, refund_id="ref_2", customer_id="cus_3"),
        said("dispute.opened", 2, "msg_4", **about, dispute_id="dp_1"),
        said("dispute.opened", 2, "msg_5", **about, dispute_id="dp_2", customer_id="cus_3"),
        said("dispute.opened", 2, "msg_6", payment_id="pay_9", dispute_id="dp_3"),
    ]


def test_refunds_and_disputes_without_a_customer_belong_to_their_payments(database: str) -> None:
    record(database, through_payment())
    project(database)
    found = {}
    for customer_id in ("cus_1", "cus_2", "cus_3"):
        (row,) = rows(database, customers.by_id(customer_id))
        found[customer_id] = customers.read(row)
    assert [(one.payments, one.refunds, one.disputes) for one in found.values()] == [
        (1, 1, 1),
        (1, 0, 0),
        (0, 1, 1),
    ]
    assert found["cus_1"].totals == {"USD": Totals(paid=500, refunded=100)}
    assert found["cus_3"].totals == {}
    select = Statement("SELECT dispute_id, customer_id FROM raphus.open_disputes ORDER BY 1", {})
    assert rows(database, select) == [("dp_1", "cus_1"), ("dp_2", "cus_3"), ("dp_3", None)]


OWNED = [
    listing
    for listing in LISTINGS.values()
    if "customer_id" in {filter_.name for filter_ in listing.filters}
]
INDEXED = [
    customers.by_id("cus_1"),
    *(listing.by_id("id_1") for listing in LISTINGS.values()),
    *(listing.page({"customer_id": "cus_1"}, before=None, limit=50) for listing in OWNED),
    LISTINGS["disputes"].page({"open": True}, before=None, limit=50),
    LISTINGS["subscriptions"].page({"status": "on_hold"}, before=None, limit=50),
    customers.objects_then(["cus_1"], NOON),
    *(
        periods.page(listing, given, as_of=NOON, before=None, limit=50)
        for listing in LISTINGS.values()
        for given in ({}, *([{"customer_id": "cus_1"}] if listing in OWNED else []))
    ),
    Statement("SELECT * FROM raphus.customers WHERE customer_id = 'cus_1'", {}),
    Statement("SELECT * FROM raphus.active_subscriptions WHERE customer_id = 'cus_1'", {}),
]


@pytest.mark.usefixtures("known")
def test_what_is_asked_of_a_customer_or_an_object_is_found_by_indexes(database: str) -> None:
    with connected(database) as conn:
        # The tables are small: what has an index at all is to be found out.
        conn.execute("SET enable_seqscan = off; SET search_path = raphus")
        for statement in INDEXED:
            plan = conn.execute(f"EXPLAIN {statement.sql}".encode(), statement.params).fetchall()
            text = "\n".join(line for (line,) in plan)
            assert "Seq Scan" not in text, f"{statement.sql}\n{text}"
