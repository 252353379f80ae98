"""Looks: observations that settle what is missing, and never facts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from domain.aggregates.catalogue import KINDS
from domain.aggregates.factory import aggregate
from domain.aggregates.routing import NOTICE, is_signed, route, route_again, route_of
from domain.comparison import compare
from domain.delivery import UnreadableError, read_envelope
from domain.explanation.explain import explain
from domain.look import Look, data_of, delivery_of, is_look, topic_of
from domain.state_machine import Verdict
from simulator import merchant
from tests.support.histories import (
    NOON,
    aggregates,
    delivery,
    look_of,
    missed,
    of_one,
    said,
    seen,
)
from tests.support.strategies import lives

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from domain.aggregate import Aggregate
    from domain.delivery import Delivery
    from domain.entity import Entity

UNTIL = datetime(2026, 6, 1, tzinfo=UTC)
LATER = UNTIL + timedelta(hours=1)
STATED = {"occurred_at", "created_at", "history", "refused", "settled", "folded_status", "drift"}
"""The fields that tell of deliveries rather than of the thing."""


def subscribed(word: str, minute: int = 0, **data: object) -> Delivery:
    return said(f"subscription.{word}", minute, None, **{"subscription_id": "sub_1", **data})


def looked(minute: int = 0, **data: object) -> Delivery:
    return seen("subscription", minute, None, **{"subscription_id": "sub_1", **data})


def one(*deliveries: Delivery) -> Any:  # noqa: ANN401 -- of any kind
    """Return the one entity that these are about."""
    (known,) = of_one(*deliveries).entities()
    return known.entity


def changes(known: Aggregate, look: Look) -> bool:
    return compare(known, look, "raphus_look_new").changes


class TestDelivery:
    def test_the_object_stands_in_the_body_to_the_byte(self) -> None:
        data = b'{ "product_id":"pdt_1",  "price": 1.50e2, "name": "\\u00e9" }'
        look = Look(kind="product", business_id="bus_1", at=NOON, endpoint="GET /p", data=data)
        body = delivery_of(look, "raphus_look_1").body
        assert data in body
        assert read_envelope(body).timestamp == NOON
        assert msgspec.json.decode(body)["source"] == {"endpoint": "GET /p"}
        assert delivery_of(look, "raphus_look_1").webhook_signature == ""

    @pytest.mark.parametrize("said_", [{}, {"payment_id": None}])
    def test_what_was_asked_stands_in_for_what_the_answer_lacks(
        self, said_: dict[str, Any]
    ) -> None:
        data = msgspec.json.encode({"refund_id": "ref_1", **said_})
        asked = {"payment_id": "pay_1", "refund_id": "other"}
        look = Look(
            kind="refund", business_id="bus_1", at=NOON, endpoint="GET /", data=data, asked=asked
        )
        assert data_of(look) == {"refund_id": "ref_1", "payment_id": "pay_1"}
        assert route_of(look).stream_id == "payment/bus_1/pay_1"
        assert route_of(look).topic == "raphus.refund_observed"

    @pytest.mark.parametrize(
        "data",
        [b"", b"[]", b"7", b'{"a":', b'{"a":"\xff"}', b'{"a":' + b"[" * 200 + b"]" * 200 + b"}"],
    )
    def test_what_is_no_object_is_no_look(self, data: bytes) -> None:
        look = Look(kind="product", business_id="bus_1", at=NOON, endpoint="GET /", data=data)
        with pytest.raises(UnreadableError):
            delivery_of(look, "raphus_look_1")

    def test_a_look_that_does_not_name_its_stream_is_refused(self) -> None:
        data = b'{"refund_id":"ref_1"}'
        look = Look(kind="refund", business_id="bus_1", at=NOON, endpoint="GET /", data=data)
        with pytest.raises(UnreadableError, match="payment_id"):
            route_of(look)

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("word", ["observed", "missing"])
    def test_a_webhook_that_claims_to_be_a_look_is_a_notice_and_signed(
        self, kind: str, word: str
    ) -> None:
        claims = said(topic_of(kind, word), subscription_id="sub_1", payment_id="pay_1")
        to = route(claims)
        assert to.stream_id.startswith(f"{NOTICE}/")
        assert is_look(to.topic)
        assert is_signed(*to[:2])
        assert not is_signed("subscription/bus_1/sub_1", to.topic)
        (entry,) = of_one(claims).timeline()
        assert (entry.kind, entry.verdict) == (NOTICE, None)


class TestFold:
    def test_a_lost_cancellation_is_settled_by_a_look(self) -> None:
        seen_ = one(subscribed("active", 0), looked(5, status="cancelled"))
        assert (seen_.status, seen_.folded_status, seen_.drift) == ("cancelled", "cancelled", None)
        assert seen_.history == "settled"

    def test_when_the_lost_one_comes_after_all_history_is_complete(self) -> None:
        life = subscribed("active", 0), looked(5, status="cancelled")
        seen_ = one(*life, subscribed("cancelled", 4))
        assert (seen_.folded_status, seen_.history) == ("cancelled", "complete")

    def test_what_comes_later_is_judged_from_where_the_look_settled_it(self) -> None:
        life = [subscribed("active", 0), looked(5, status="paused"), subscribed("renewed", 9)]
        assert [line.verdict for line in of_one(*life).timeline()] == [
            Verdict.APPLIED,
            None,
            Verdict.REFUSED,
        ]

    def test_a_look_says_on_the_timeline_what_it_is_and_what_it_moved(self) -> None:
        line = of_one(subscribed("active", 0), looked(5, status="on_hold")).timeline()[1]
        assert (line.type, line.verdict) == ("raphus.subscription_observed", None)
        assert (line.from_, line.to, line.gap) == ("active", "on_hold", True)
        assert line.reason is not None
        assert "on_hold" in line.reason

    def test_a_look_changes_fields_as_a_webhook_does(self) -> None:
        life = subscribed("active", 0, quantity=1), looked(5, status="active", quantity=3)
        change = of_one(*life).lines()[1].changes[0]
        assert (change.field, change.from_, change.to) == ("quantity", 1, 3)

    def test_what_a_look_leaves_open_stays_and_what_it_says_to_be_null_is_null(self) -> None:
        whole = subscribed("active", 0, quantity=1, product_id="pdt_1", tax_id="x")
        seen_ = one(whole, looked(5, status="active", product_id="pdt_2", tax_id=None))
        assert (seen_.quantity, seen_.product_id, seen_.tax_id) == (1, "pdt_2", None)

    def test_several_looks_are_laid_one_over_the_other(self) -> None:
        looks = [looked(1, quantity=2), looked(2, product_id="pdt_1"), looked(3, quantity=5)]
        assert (one(*looks).quantity, one(*looks).product_id) == (5, "pdt_1")

    def test_out_of_an_end_a_look_is_an_anomaly_that_leads(self) -> None:
        seen_ = one(subscribed("cancelled", 0), looked(5, status="active"))
        assert (seen_.status, seen_.folded_status) == ("active", "cancelled")
        assert seen_.anomaly == "Dodo says active after cancelled, which is final"
        back = one(
            subscribed("cancelled", 0), looked(5, status="active"), looked(9, status="cancelled")
        )
        assert (back.status, back.anomaly, back.drift) == ("cancelled", None, None)

    def test_an_end_that_facts_lead_out_of_is_left_by_a_look_too(self) -> None:
        paid = said("payment.cancelled", 0, payment_id="pay_1")
        seen_ = one(paid, seen("payment", 5, payment_id="pay_1", status="succeeded"))
        assert (seen_.status, seen_.folded_status, seen_.drift) == ("succeeded", "succeeded", None)

    @pytest.mark.parametrize(
        ("kind", "named", "status"),
        [
            ("subscription", {"subscription_id": "sub_1"}, "pending"),
            ("refund", {"refund_id": "ref_1", "payment_id": "pay_1"}, "review"),
        ],
    )
    def test_a_status_that_no_event_announces_is_no_drift(
        self, kind: str, named: dict[str, str], status: str
    ) -> None:
        seen_ = one(seen(kind, 0, **named, status=status))
        assert (seen_.status, seen_.drift, seen_.history) == (status, None, "settled")

    def test_a_status_that_does_not_follow_is_drift(self) -> None:
        seen_ = one(subscribed("active", 0), looked(5, status="pending"))
        assert (seen_.status, seen_.drift and seen_.drift.observed) == ("active", "pending")

    def test_what_dodo_does_not_have_any_more_is_marked_and_stays(self) -> None:
        life = [subscribed("active", 0, quantity=2, customer={"customer_id": "cus_1"})]
        gone = missed("subscription", 5, subscription_id="sub_1")
        still = missed("subscription", 9, subscription_id="sub_1")
        seen_ = one(*life, gone, still)
        assert seen_.missing_since == NOON + timedelta(minutes=5)
        assert (seen_.status, seen_.quantity, seen_.customer_id) == ("active", 2, "cus_1")
        assert one(*life, gone, looked(7, status="active")).missing_since is None
        assert one(*life, gone, subscribed("renewed", 7)).missing_since is None

    def test_refusals_before_a_look_are_settled_and_those_behind_it_are_not(self) -> None:
        early, late = subscribed("failed", 1), subscribed("failed", 9)
        life = [subscribed("active", 0), early, looked(5, status="active"), late]
        assert (one(*life).refused, one(*life).settled) == (2, 1)

    def test_a_gap_behind_the_last_look_is_a_doubt_again(self) -> None:
        begun = seen("entitlement_grant", 0, id="grant_1", integration_type="x")
        partial = one(begun, said("entitlement_grant.delivered", 5, id="grant_1"))
        assert partial.history == "partial"

    def test_one_that_was_written_before_what_is_known_tells_nothing(self) -> None:
        def paid(minute: int) -> dict[str, object]:
            return {
                "payout_id": "pyt_1",
                "amount": minute,
                "updated_at": f"2026-05-01T12:0{minute}:00Z",
            }

        life = [
            said("payout.created", 0, payout_id="pyt_1"),
            said("payout.in_progress", 1, None, status="success", **paid(5)),
        ]
        old = seen("payout", 7, "raphus_look_1", status="failed", **paid(3))
        new = seen("payout", 8, "raphus_look_2", status="success", **paid(5))
        stale = one(*life, old)
        assert (stale.status, stale.folded_status, stale.amount) == ("success", "in_progress", 5)
        assert stale.drift == one(*life).drift is not None
        assert stale.history == "complete"
        line = of_one(*life, old).timeline()[-1]
        assert (line.from_, line.to, line.gap) == ("in_progress", "in_progress", False)
        assert line.reason is not None
        assert "tells nothing" in line.reason
        assert not changes(of_one(*life), look_of(old.body))
        assert explain(of_one(*life, old), "payout", "pyt_1", "amount").set_by_count == 1
        settled = one(*life, old, new)
        assert (settled.folded_status, settled.drift, settled.history) == (
            "success",
            None,
            "settled",
        )

    @settings(max_examples=60, deadline=None)
    @given(lives())
    def test_a_look_makes_no_fact_before_it_valid_or_invalid(self, life: list[Delivery]) -> None:
        whole = of_one(*life)
        entries = {(e.kind, e.id, e.webhook_id): e for e in whole.timeline()}
        looks = [e for e in entries.values() if is_look(e.type)]
        for look in looks:
            events = [e for e in whole.events if e.delivery.webhook_id != look.webhook_id]
            without = type(whole)(whole.id, events).timeline()
            for entry in without:
                if (entry.occurred_at or NOON) < (look.occurred_at or NOON):
                    mine = entries[entry.kind, entry.id, entry.webhook_id]
                    assert (entry.verdict, entry.to) == (mine.verdict, mine.to)


class TestComparison:
    def test_one_that_agrees_says_nothing_new(self) -> None:
        life = of_one(subscribed("active", 0, status="active", quantity=1))
        assert not changes(life, look_of(looked(9, status="active", quantity=1).body))
        assert changes(life, look_of(looked(9, status="active", quantity=2).body))

    def test_of_what_nothing_is_known_everything_is_new(self) -> None:
        assert changes(
            aggregate("subscription/bus_1/sub_1", ()), look_of(looked(9, status="active").body)
        )

    @settings(max_examples=100, deadline=None)
    @given(lives(), st.integers(1, 3))
    def test_read_again_it_says_nothing_new(self, life: list[Delivery], hours: int) -> None:
        """What is recorded is known: the newest look at a thing, read again, changes nothing."""
        whole = of_one(*life)
        last = whole.timeline()[-1]
        assume(is_look(last.type))
        event = next(e for e in reversed(whole.events) if e.delivery.webhook_id == last.webhook_id)
        look = look_of(event.delivery.body)
        again = msgspec.structs.replace(look, at=look.at + timedelta(hours=hours))
        first = compare(whole, again, "raphus_look_new")
        then = msgspec.structs.replace(again, at=again.at + timedelta(hours=1))
        assert not compare(first.then, then, "raphus_look_newer").changes

    def test_there_and_back_again_are_two_changes(self) -> None:
        life = of_one(subscribed("active", 0, status="active", quantity=1))
        there = compare(life, look_of(looked(5, quantity=2).body), "raphus_look_a")
        assert there.changes
        assert changes(there.then, look_of(looked(9, quantity=1).body))

    def test_a_status_that_does_not_follow_is_recorded_once(self) -> None:
        life = of_one(subscribed("active", 0, status="active"))
        first = compare(life, look_of(looked(5, status="pending").body), "raphus_look_a")
        assert first.changes
        assert not changes(first.then, look_of(looked(9, status="pending").body))

    def test_before_and_after_are_what_is_known_without_and_with_it(self) -> None:
        life = of_one(subscribed("active", 0, status="active"))
        found = compare(life, look_of(looked(5, status="cancelled").body), "raphus_look_a")
        statuses = [known and known.entity.status for known in (found.before, found.after)]
        assert statuses == ["active", "cancelled"]

    def test_what_was_forgotten_does_not_come_back(self) -> None:
        look = look_of(seen("customer", 0, customer_id="cus_1", email="a@example.com").body)
        nothing = aggregate("customer/bus_1/cus_1", ())
        found = compare(nothing, look, "raphus_look_a", forgotten=True)
        assert b"a@example.com" not in found.delivery.body
        assert found.after is not None
        assert found.after.entity.customer_id == "cus_1"
        assert not compare(found.then, look, "raphus_look_b", forgotten=True).changes


@cache
def _merchant(seed: int) -> list[Delivery]:
    return [
        delivery(occurrence.body, occurrence.webhook_id)
        for occurrence in merchant(seed, customers=12, until=UNTIL)
    ]


def _streams(deliveries: Iterable[Delivery]) -> dict[str, list[Delivery]]:
    streams: dict[str, list[Delivery]] = {}
    for told in deliveries:
        streams.setdefault(route_again(told).stream_id, []).append(told)
    return streams


def _stated(entity: Entity) -> dict[str, object]:
    return {
        name: value for name, value in msgspec.structs.asdict(entity).items() if name not in STATED
    }


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 3), st.randoms(use_true_random=False))
def test_lost_webhooks_and_one_look_are_as_good_as_all_webhooks(seed: int, random: Random) -> None:
    for stream, told in _streams(_merchant(seed)).items():
        kind = stream.partition("/")[0]
        # What has no API cannot be looked at, and a ledger is looked at entry by entry.
        if kind in {"dunning", "abandoned_checkout", "credit", NOTICE}:
            continue
        whole = of_one(*told)
        looks = []
        for known in whole.entities():
            entity_id = getattr(known.entity, known.kind.id_field)
            newest = whole.folded()[known.kind.name, entity_id].observations[-1]
            looks.append(
                delivery_of(
                    Look(
                        kind=known.kind.name,
                        business_id=whole.business_id,
                        at=LATER,
                        endpoint="GET /",
                        data=msgspec.json.encode(newest.data),
                    ),
                    f"raphus_look_{entity_id}",
                )
            )
        kept = [one for one in told if random.random() < 0.5]
        (settled,) = aggregates([*kept, *looks]).values()
        for known in whole.entities():
            entity_id = getattr(known.entity, known.kind.id_field)
            found = settled.find(known.kind.name, entity_id)
            assert found is not None
            assert _stated(found.entity) == _stated(known.entity)
            assert found.entity.drift is None


ACCOUNT = {"customer_id": "cus_1", "credit_entitlement_id": "cde_1"}
DETAIL = {"type": "recurring_price", "price": 900, "currency": "USD", "discount": 10}


class TestCredits:
    def entry(self, number: int, before: str, after: str, **more: object) -> dict[str, Any]:
        at = (NOON + timedelta(minutes=number)).isoformat()
        return {
            **ACCOUNT,
            "id": f"cdl_{number}",
            "amount": "10",
            "is_credit": True,
            "balance_before": before,
            "balance_after": after,
            "overage_before": "0",
            "overage_after": "0",
            "created_at": at,
            "transaction_type": "credit_added",
            **more,
        }

    def test_an_entry_that_was_missing_is_found_by_a_look(self) -> None:
        told = said("credit.added", 3, **self.entry(3, "20", "30"))
        partial = one(told)
        assert (partial.history, str(partial.unexplained)) == ("partial", "20")
        looks = [
            seen("credit", 9, f"raphus_look_{n}", **self.entry(n, before, after))
            for n, before, after in ((1, "0", "10"), (2, "10", "20"))
        ]
        whole = one(told, *looks)
        assert (whole.history, whole.entries, str(whole.balance)) == ("complete", 3, "30")
        assert str(whole.unexplained) == "0"

    def test_an_entry_that_is_known_says_nothing_new(self) -> None:
        old, new = self.entry(1, "0", "10"), self.entry(3, "10", "20", metadata={"a": "b"})
        life = of_one(said("credit.added", 1, **old), said("credit.added", 3, **new))
        for known in (old, new):
            assert not changes(life, look_of(seen("credit", 9, **known).body))

    def test_a_sort_without_an_event_is_an_entry_too(self) -> None:
        topped = self.entry(1, "0", "10", transaction_type="auto_top_up")
        (entry,) = of_one(seen("credit", 9, **topped)).ledger()  # type: ignore[attr-defined]
        assert (entry.type, entry.transaction_type) == ("credit.added", "auto_top_up")

    def test_a_balance_that_entries_do_not_lead_to_settles_what_they_lack(self) -> None:
        told = said("credit.added", 1, **self.entry(1, "0", "10"))
        balance = seen("credit", 9, **ACCOUNT, id="ccb_1", balance=25, overage=0)
        settled = one(told, balance)
        assert (str(settled.balance), str(settled.unexplained)) == ("25", "15")
        assert settled.history == "settled"
        same = seen("credit", 9, **ACCOUNT, id="ccb_1", balance="10", overage="0")
        assert not changes(of_one(told), look_of(same.body))

    def test_an_entry_made_since_counts_more_than_a_balance(self) -> None:
        balance = seen("credit", 5, **ACCOUNT, balance=10, overage=0)
        told = said("credit.added", 9, **self.entry(9, "10", "20"))
        assert str(one(balance, told).balance) == "20"


class TestProducts:
    def test_a_list_and_one_product_say_the_same_of_the_price(self) -> None:
        listed = one(seen("product", 0, product_id="pdt_1", price=900, price_detail=DETAIL))
        single = one(seen("product", 0, product_id="pdt_1", price=DETAIL))
        for found in (listed, single):
            assert (found.price, found.currency, found.price_type) == (900, "USD", "recurring")
            assert found.discount_bps == 1000

    def test_a_price_is_what_one_look_says_of_it(self) -> None:
        without_price = seen("product", 0, product_id="pdt_1", currency="USD")
        found = one(without_price, seen("product", 5, product_id="pdt_1", price=900))
        assert (found.price, found.currency) == (900, None)

    def test_the_newest_price_counts_wherever_it_stands(self) -> None:
        listed = seen("product", 0, product_id="pdt_1", price=900, price_detail=DETAIL)
        single = seen("product", 5, product_id="pdt_1", price={**DETAIL, "price": 1200})
        aggregate_ = of_one(listed, single)
        (known,) = aggregate_.entities()
        assert known.entity.price == 1200  # type: ignore[attr-defined]
        (change,) = aggregate_.lines()[1].changes
        assert (change.field, change.from_, change.to) == ("price", 900, 1200)

    def test_it_is_archived_as_was_asked_and_nothing_is_missing(self) -> None:
        asked = one(seen("product", 0, product_id="pdt_1", name="Pro", archived=True))
        assert (asked.status, asked.history, asked.drift) == ("archived", "complete", None)
        back = one(
            seen("product", 0, product_id="pdt_1", archived=True),
            seen("product", 5, product_id="pdt_1", archived=False),
        )
        assert back.status == "active"

    def test_a_fixed_fee_is_the_price_where_use_is_billed(self) -> None:
        priced = {"type": "usage_based_price", "fixed_price": 500, "currency": "EUR"}
        found = one(seen("product", 0, product_id="pdt_1", price=priced))
        assert (found.price, found.price_type) == (500, "usage_based")
