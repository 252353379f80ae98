"""Listings and timelines: what is asked for, newest first, with cursors that stay right."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from domain.aggregates.catalogue import KINDS
from domain.aggregates.dispute import OPEN
from domain.aggregates.entitlement_grant import EntitlementGrantEntity
from domain.aggregates.license_key import LicenseKeyEntity, followed
from ledger.application import Ledger
from projections.read_models import timeline
from projections.read_models.catalogue import LISTINGS
from tests.support.deliveries import receipts
from tests.support.histories import NOON, said
from tests.support.http_server import copied
from tests.support.looks import catalogue, observe
from tests.support.projected import (
    following,
    go_to_the_end,
    project,
    record,
    rows,
    simulated,
)
from tests.support.rebuilds import execute, replayed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from domain.aggregate import Aggregate
    from domain.delivery import Delivery
    from domain.timeline import Entry
    from postgres.statement import Statement
    from projections.listing import Listing
    from tests.support.http_server import CopyOf


def pages(
    conninfo: str,
    listing: Listing[Any],
    given: dict[str, object] | None = None,
    *,
    limit: int = 7,
    between: Callable[[], object] = lambda: None,
) -> list[Any]:
    """Read a whole list page by page, doing something between any two of them."""
    found: list[Any] = []
    before = None
    while page := rows(conninfo, listing.page(given or {}, before=before, limit=limit)):
        listed = [listing.read(row) for row in page]
        found += [one.entity for one in listed]
        before = listed[-1].first_position
        between()
    return found


def in_aggregates(conninfo: str) -> dict[str, list[Any]]:
    """What the aggregates know, by resource, newest first, worked out without SQL."""
    known = [known for one in all_aggregates(conninfo) for known in one.entities()]
    grants = {}
    for one in sorted(known, key=attrgetter("first_position")):
        if isinstance(one.entity, EntitlementGrantEntity):
            grants[one.entity.license_key_id] = one.entity.status
    for one in known:
        if isinstance(one.entity, LicenseKeyEntity):
            one.entity.status = followed(one.entity.status, grants.get(one.entity.id))
    newest_first = sorted(known, key=attrgetter("first_position"), reverse=True)
    return {
        resource: [one.entity for one in newest_first if type(one.entity) is listing.entity]
        for resource, listing in LISTINGS.items()
    }


def all_aggregates(conninfo: str) -> list[Aggregate]:
    with Ledger(conninfo) as ledger:
        notifications = ledger.recorder.select_notifications(1, 100_000)
        streams = {str(notification.originator_id) for notification in notifications}
        return [ledger.aggregate(stream) for stream in streams]


@pytest.fixture(scope="module")
def merchant(cluster: str, template: str) -> Iterator[str]:
    """Project a simulated merchant, which nothing changes."""
    with copied(cluster, template) as conninfo:
        record(conninfo, simulated(20))
        observe(conninfo, catalogue("bus_demo"))
        project(conninfo)
        yield conninfo


def test_each_list_holds_every_object_as_its_aggregate_knows_it(merchant: str) -> None:
    for resource, expected in in_aggregates(merchant).items():
        assert pages(merchant, LISTINGS[resource]) == expected != []


def test_an_object_is_found_by_its_id(merchant: str) -> None:
    for resource, known in in_aggregates(merchant).items():
        listing, expected = LISTINGS[resource], known[-1]
        (row,) = rows(merchant, listing.by_id(getattr(expected, listing.id_field)))
        assert listing.read(row).entity == expected
        assert rows(merchant, listing.by_id("nobody's")) == []


def test_a_list_is_filtered_by_each_of_its_filters(merchant: str) -> None:
    for resource, everything in in_aggregates(merchant).items():
        listing = LISTINGS[resource]
        one = everything[len(everything) // 2]
        own = {filter_.name for filter_ in listing.filters} & set(dir(one))
        fields = own & {"status", "customer_id", "business_id", "product_id"}
        for name in fields:
            value = getattr(one, name)
            expected = [other for other in everything if getattr(other, name) == value]
            assert pages(merchant, listing, {name: value}) == expected
        after = {"created_at_gte": one.created_at}
        expected = [other for other in everything if other.created_at >= one.created_at]
        assert pages(merchant, listing, after) == expected
        until = {"created_at_lte": one.created_at - timedelta(microseconds=1)}
        expected = [other for other in everything if other.created_at < one.created_at]
        assert pages(merchant, listing, until) == expected


def test_filters_together_are_all_met(merchant: str) -> None:
    everything = in_aggregates(merchant)["payments"]
    one = next(payment for payment in everything if payment.status == "failed")
    given = {"status": "failed", "customer_id": one.customer_id, "created_at_lte": one.created_at}
    found = pages(merchant, LISTINGS["payments"], given)
    assert one in found
    assert {(p.status, p.customer_id) for p in found} == {("failed", one.customer_id)}
    assert max(p.created_at for p in found) == one.created_at


def test_true_and_false_divide_a_list_in_two(database: str) -> None:
    quiet = said("subscription.updated", 0, "msg_1", subscription_id="sub_quiet")
    pending = said("subscription.updated", 0, "msg_2", subscription_id="sub_p", status="pending")
    record(database, [*simulated(15), quiet, pending])
    project(database)
    active = [s.status for s in pages(database, LISTINGS["subscriptions"], {"active": True})]
    others = [s.status for s in pages(database, LISTINGS["subscriptions"], {"active": False})]
    assert set(active) == {"active"}
    assert {None, "pending", "cancelled"} <= set(others)
    assert "active" not in others
    assert len(active) + len(others) == len(in_aggregates(database)["subscriptions"])
    disputes = [
        said(f"dispute.{word}", n, f"msg_{word}", dispute_id=f"dp_{word}")
        for n, word in enumerate(["opened", "challenged", "won", "expired"])
    ]
    record(database, disputes)
    project(database)
    everything = in_aggregates(database)["disputes"]
    for asked in (True, False):
        expected = [one for one in everything if (one.status in OPEN) is asked]
        assert pages(database, LISTINGS["disputes"], {"open": asked}) == expected != []


def through_payment(customer_id: str, product_id: str, number: int) -> list[Delivery]:
    """A subscription's payment, with a refund and a dispute that say neither whose nor for what."""
    payment_id, subscription_id = f"pay_{number}", f"sub_{number}"
    about = {"payment_id": payment_id, "amount": 5, "currency": "USD"}
    customer = {"customer_id": customer_id}
    bought = {"subscription_id": subscription_id, "customer": customer}
    return [
        said("subscription.active", 0, f"msg_{number}_1", **bought, product_id=product_id),
        said("payment.succeeded", 0, f"msg_{number}_2", **bought, payment_id=payment_id),
        said("refund.succeeded", 1, f"msg_{number}_3", **about, refund_id=f"ref_{number}"),
        said("dispute.opened", 1, f"msg_{number}_4", **about, dispute_id=f"dp_{number}"),
    ]


def test_refunds_and_disputes_are_found_by_their_payments_customer_and_product(
    database: str,
) -> None:
    ours, theirs = through_payment("cus_1", "pdt_1", 1), through_payment("cus_2", "pdt_2", 2)
    another_tenants = [
        msgspec.structs.replace(one, webhook_id=f"x_{one.webhook_id}", body=body)
        for one in through_payment("cus_3", "pdt_3", 1)
        if (body := one.body.replace(b"bus_1", b"bus_9").replace(b"ref_1", b"ref_9"))
    ]
    record(database, [*ours, *theirs, *another_tenants])
    project(database)
    ids_of_ours = {"payments": "pay_1", "refunds": "ref_1", "disputes": "dp_1"}
    for given in ({"customer_id": "cus_1"}, {"product_id": "pdt_1"}):
        for resource, one_id in ids_of_ours.items():
            listing = LISTINGS[resource]
            (one,) = pages(database, listing, dict(given))
            assert getattr(one, listing.id_field) == one_id
            assert (one.customer_id, one.business_id) == ("cus_1", "bus_1")
    (row,) = rows(database, LISTINGS["refunds"].by_id("ref_1"))
    assert LISTINGS["refunds"].read(row).entity.customer_id == "cus_1"


def test_a_payment_is_found_by_what_its_cart_holds(database: str) -> None:
    cart = [{"product_id": "pdt_1", "quantity": 1}, {"product_id": "pdt_2", "quantity": 2}]
    record(database, [said("payment.succeeded", 0, payment_id="pay_1", product_cart=cart)])
    project(database)
    for product_id, count in (("pdt_1", 1), ("pdt_2", 1), ("pdt_3", 0)):
        found = pages(database, LISTINGS["payments"], {"product_id": product_id})
        assert len(found) == count


def halves() -> tuple[list[Delivery], list[Delivery]]:
    """What a merchant is told at first, and later."""
    told = simulated(40)
    return told[: len(told) // 2], told[len(told) // 2 :]


def half(conninfo: str) -> None:
    record(conninfo, halves()[0])
    project(conninfo)


@pytest.fixture
def half_told(copy_of: CopyOf) -> Iterator[str]:
    with copy_of(half) as conninfo:
        yield conninfo


@pytest.mark.parametrize("resource", ["payments", "subscriptions"])
def test_a_cursor_stays_right_while_rows_change_and_come(half_told: str, resource: str) -> None:
    database = half_told
    before = in_aggregates(database)[resource]
    later = iter(halves()[1])
    with Ledger(database) as ledger, following(database) as follower:

        def go_on() -> None:
            receipts(ledger.record(list(islice(later, 60))))
            go_to_the_end(follower)

        found = pages(database, LISTINGS[resource], limit=4, between=go_on)
    after = in_aggregates(database)[resource]
    assert len(after) > len(before), "some have come"
    assert before != after[-len(before) :], "some have changed"
    assert list(map(ids, found)) == list(map(ids, before)), "none comes twice, none is left out"


def ids(entity: object) -> tuple[str, ...]:
    names = ("subscription_id", "payment_id", "refund_id", "dispute_id", "id")
    return tuple(str(getattr(entity, name, "")) for name in names)


def lines(conninfo: str, select: Callable[..., Statement]) -> list[Entry]:
    """Read a whole timeline page by page."""
    found: list[Entry] = []
    after = None
    while page := [timeline.read(row) for row in rows(conninfo, select(after=after))]:
        found += [line.entry for line in page]
        after = page[-1].key
    return found


def test_a_timeline_is_that_of_its_aggregate(merchant: str) -> None:
    aggregates = all_aggregates(merchant)
    for kind in KINDS:
        of_kind = [
            one for one in aggregates if kind in {known.kind.name for known in one.entities()}
        ]
        longest = max(of_kind, key=attrgetter("version")).lines()
        expected = [entry for entry in longest if entry.kind == kind]
        one_id = expected[0].id
        select = partial(timeline.of_entity, kind, one_id, limit=3)
        found = [line for line in lines(merchant, select) if (line.kind, line.id) == (kind, one_id)]
        assert found == [entry for entry in expected if entry.id == one_id]


def test_a_cursor_of_a_build_whose_ranks_were_lower_skips_nothing(database: str) -> None:
    words = ("updated", "active", "renewed", "on_hold")
    record(
        database,
        [said(f"subscription.{word}", 0, f"msg_{word}", subscription_id="sub_1") for word in words],
    )
    project(database)
    execute(database, "UPDATE raphus.timeline SET rank = rank / 10")
    select = partial(timeline.of_entity, "subscription", "sub_1", limit=9)
    earlier = [timeline.read(row) for row in rows(database, select(after=None))]
    assert [line.entry.webhook_id for line in earlier] == [f"msg_{word}" for word in words]
    replayed(database)
    for number, line in enumerate(earlier, start=1):
        rest = [timeline.read(row).entry for row in rows(database, select(after=line.key))]
        left = [line.entry for line in earlier[number:]]
        assert rest[len(rest) - len(left) :] == left


def test_a_customers_timeline_is_everything_of_it_in_the_order_it_occurred(merchant: str) -> None:
    customer_id = in_aggregates(merchant)["refunds"][0].customer_id
    found = lines(merchant, partial(timeline.of_customer, customer_id, as_of=None, limit=3))
    expected = [
        entry
        for one in all_aggregates(merchant)
        if customer_id in {known.entity.customer_id for known in one.entities()}
        for entry in one.timeline()
    ]
    assert {entry.kind for entry in found} >= {"payment", "refund", "subscription"}
    assert sorted(map(attrgetter("webhook_id"), found)) == sorted(e.webhook_id for e in expected)
    assert [e.occurred_at for e in found] == sorted(e.occurred_at or NOON for e in expected)


def test_refusals_are_listed_in_the_order_they_arrived(database: str) -> None:
    record(
        database,
        [
            said("payment.succeeded", 0, "msg_0", payment_id="pay_1"),
            *(said("payment.failed", n, f"msg_{n}", payment_id="pay_1") for n in range(1, 8)),
        ],
    )
    project(database)
    found: list[Entry] = []
    after = 0
    while page := [
        timeline.read(row).entry
        for row in rows(database, timeline.refusals(as_of=None, after=after, limit=3))
    ]:
        found += page
        after = int(page[-1].position)
    assert [entry.webhook_id for entry in found] == [f"msg_{n}" for n in range(1, 8)]
    assert {entry.from_ for entry in found} == {"succeeded"}
