"""Answers on a terminal: what is told, in which words, and that nothing in them acts on it."""

from __future__ import annotations

import io
import re
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from api.answers.named import named, named_entry, products_in
from cli.rendering import words
from cli.rendering.customers import show_customer
from cli.rendering.explanations import show_explanation
from cli.rendering.objects import show_object, show_objects
from cli.rendering.tables import show_fields, show_line, show_lines, show_table
from cli.rendering.timelines import show_timeline
from domain.aggregates.subscription import SubscriptionEntity
from domain.explanation.explain import explain
from domain.lateness import Stretch
from tests.support.histories import NOON, aggregates, of_one, said
from tests.support.lifecycles import customer, lifecycle
from tests.support.strategies import lives, recorded

if TYPE_CHECKING:
    from collections.abc import Callable

    from api.answers.named import NamedEntry
    from api.resources.lifecycle import Lifecycle
    from domain.aggregate import Aggregate
    from domain.delivery import Delivery

_ESCAPE = "\x1b]0;mine\x07\x9b2J"


def printed(show: Callable[..., None], *what: object) -> str:
    """Return what is printed where there is no terminal."""
    console = Console(file=io.StringIO(), width=10_000, markup=False, emoji=False, highlight=False)
    show(console, *what)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def the_subscription(*deliveries: Delivery) -> SubscriptionEntity:
    (known,) = of_one(*deliveries).entities()
    assert isinstance(known.entity, SubscriptionEntity)
    return known.entity


def active(minute: int = 0, **data: object) -> Delivery:
    return said("subscription.active", minute, None, subscription_id="sub_1", **data)


def lines_of(*deliveries: Delivery) -> list[NamedEntry]:
    return [named_entry(one, "bus_1", {}) for one in of_one(*deliveries).lines()]


def test_a_product_is_shown_by_its_name_and_its_id_and_its_name_does_nothing() -> None:
    data = {"product_id": "pdt_1", "status": "active"}
    names = {("bus_1", "pdt_1"): f"Pro{_ESCAPE}\n\u202e\u2028"}
    entity = named(the_subscription(active(0, **data)), names)
    for shown in (printed(show_objects, [entity]), printed(show_object, entity, "")):
        (line,) = [line for line in shown.splitlines() if "pdt_1" in line]
        assert re.search(r"Pro\S*]0;mine.* \(pdt_1\)", line)
        assert all(one.isprintable() for one in line)
    unnamed = named(the_subscription(active(0, **data)), {})
    assert " pdt_1 " in printed(show_objects, [unnamed])


def test_what_a_trial_costs_is_written_as_money() -> None:
    of_150 = said("subscription.active", subscription_id="sub_1", trial_amount=150, currency="EUR")
    (known,) = of_one(of_150).entities()
    assert re.search("trial_amount +1.50 EUR", printed(show_object, known.entity, ""))


def test_the_products_of_a_payment_are_shown_by_their_names_as_far_as_these_are_known() -> None:
    cart = [{"product_id": "pdt_1"}, {"product_id": "pdt_2"}]
    (known,) = of_one(said("payment.succeeded", payment_id="pay_1", product_cart=cart)).entities()
    entity = named(known.entity, {("bus_1", "pdt_2"): "Team"})
    assert "pdt_1, Team (pdt_2)" in printed(show_objects, [entity])
    assert "pdt_1, pdt_2" in printed(show_objects, [known.entity])


@pytest.mark.parametrize(
    ("amount", "currency", "written"),
    [
        (1999, "EUR", "19.99 EUR"),
        (4350, "JPY", "4350 JPY"),
        (1500, "KWD", "1.500 KWD"),
        (5, "USD", "0.05 USD"),
        (400, None, "400 in minor units"),
        (None, "USD", ""),
    ],
)
def test_an_amount_is_written_with_the_decimals_of_its_currency(
    amount: int | None, currency: str | None, written: str
) -> None:
    assert words.money(amount, currency) == written


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (61, "61 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7_199, "119 min"),
        (7_200, "2 h"),
        (172_799, "47 h"),
        (172_800, "2 days"),
    ],
)
def test_a_duration_is_written_in_a_unit_that_it_has_two_of(seconds: int, written: str) -> None:
    assert words.duration(seconds) == written


def test_a_price_tells_how_often_it_is_paid() -> None:
    cost = {"recurring_pre_tax_amount": 999, "currency": "USD"}
    for data, written in (
        ({"payment_frequency_count": 1, "payment_frequency_interval": "Month"}, "9.99 USD a month"),
        (
            {"payment_frequency_count": 3, "payment_frequency_interval": "month"},
            "9.99 USD every 3 months",
        ),
        ({}, "9.99 USD"),
    ):
        assert words.price(the_subscription(active(0, **cost, **data))) == written
    assert words.price(the_subscription(active(payment_frequency_interval="Month"))) == ""


def test_what_was_recorded_afterwards_is_told_in_a_sentence() -> None:
    minute = timedelta(minutes=1)
    one = Stretch(
        248, NOON, NOON + minute, NOON + 2 * minute, NOON + 2 * minute, out_of_order=False
    )
    assert words.afterwards(one) == (
        "recorded afterwards in one stretch: 248 facts from 2026-05-01 12:00:00"
        " to 2026-05-01 12:01:00, at 2026-05-01 12:02:00"
    )
    at_once = msgspec.structs.replace(one, facts=2, occurred_to=NOON)
    assert "2 facts of 2026-05-01 12:00:00, at" in words.afterwards(at_once)
    longer = msgspec.structs.replace(one, recorded_to=NOON + 3 * minute, out_of_order=True)
    assert words.afterwards(longer).endswith(
        ", between 2026-05-01 12:02:00 and 2026-05-01 12:03:00, when later ones were known already"
    )


def test_what_is_odd_about_a_fact_is_told_in_words() -> None:
    applied, refused = lines_of(active(0), said("subscription.failed", 1, subscription_id="sub_1"))
    assert (words.change(applied), words.remarks(applied, None)) == ("– → active", "")
    assert words.change(refused) == "stays active"
    assert words.remarks(refused, None).startswith("refused: subscription.failed is not a valid")
    (gap,) = lines_of(said("subscription.on_hold", 0, subscription_id="sub_1"))
    assert words.remarks(gap, 7_200) == "arrived 2 h late; something before it was never seen"
    (unmoved,) = lines_of(said("subscription.updated", 0, subscription_id="sub_1"))
    assert words.change(unmoved) == "–"


def test_drift_is_pointed_out_with_what_dodo_said_and_when() -> None:
    entity = the_subscription(active(0, status="active"), active(5, status="on_hold"))
    told = printed(show_object, entity, "")
    assert "\nstatus           on_hold " in told
    assert (
        "! drift: Dodo last said on_hold (msg_subscription.active_5 of 2026-05-01 12:05:00),"
        " while the facts lead to active" in told
    )
    assert words.oddities(entity) == "drift: Dodo last said on_hold"


def test_the_past_that_was_asked_for_is_told() -> None:
    assert words.past(None, None) == ""
    both = words.past(NOON, NOON + timedelta(microseconds=1))
    assert both == ", as of 2026-05-01T12:00:00Z, as known at 2026-05-01T12:00:00.000001Z"


@given(st.text())
def test_nothing_in_a_text_acts_on_the_terminal(text: str) -> None:
    shown = words.plain(text + _ESCAPE)
    assert shown.isprintable()
    assert not set(_ESCAPE) & {c for c in shown if not c.isprintable()}
    assert words.plain(shown) == shown


def test_nothing_printed_acts_on_the_terminal() -> None:
    heads, row = ("a", "b"), (_ESCAPE, "\r\nx")
    for told in (
        printed(show_table, heads, [row]),
        printed(show_lines, heads, [row]),
        printed(show_fields, [("a", _ESCAPE)]),
        printed(show_line, _ESCAPE),
    ):
        assert told.strip()
        assert all(line.isprintable() for line in told.splitlines())


def test_a_column_of_which_nothing_is_said_is_left_out() -> None:
    rows = [("1", "", "x"), ("2", "", "")]
    for show in (show_lines, show_table):
        told = printed(show, ("n", "gone", "y"), rows)
        assert "gone" not in told
        assert "y" in told.splitlines()[0]
        assert "n" in printed(show, ("n", "y"), [])


@given(lives())
def test_all_that_is_known_of_an_object_is_printed(arrivals: list[Delivery]) -> None:
    for known in recorded(arrivals).entities():
        told = printed(show_object, known.entity, "")
        named = {line.split()[0] for line in told.splitlines()[1:]}
        values = {name: getattr(known.entity, name) for name in known.entity.__struct_fields__}
        unsaid = {name for name, value in values.items() if value in (None, (), {})}
        assert named - {"!"} == values.keys() - unsaid - {"drift", "anomaly"}
        assert ("! drift" in told) == (known.entity.drift is not None)
        assert ("! history is partial" in told) == (known.entity.history == "partial")
        row = printed(show_objects, [known.entity])
        assert str(getattr(known.entity, known.kind.id_field)) in row


@given(lives())
def test_every_source_of_an_explanation_is_printed(arrivals: list[Delivery]) -> None:
    aggregate = recorded(arrivals)
    for known in aggregate.entities():
        entity_id = getattr(known.entity, known.kind.id_field)
        found = explain(aggregate, known.kind.name, entity_id, "status")
        told = printed(show_explanation, found, "")
        rows = [line for line in told.splitlines() if line.startswith(("set by", "passed over"))]
        sources = found.set_by + found.passed_over
        assert len(rows) == len(sources)
        for row, source in zip(rows, sources, strict=True):
            assert source.webhook_id in row
            assert source.reason in row


def test_what_changed_is_shown_with_the_names_of_the_products() -> None:
    addons = [{"addon_id": f"add_{n}", "quantity": n} for n in range(20)]
    to_come = {"id": "chg_1", "product_id": "pdt_3", "addons": addons}
    lines = of_one(
        active(0, product_id="pdt_1", quantity=1),
        active(1, product_id="pdt_2", quantity=3, scheduled_change=to_come),
    ).lines()
    names = {("bus_1", "pdt_1"): f"Pro{_ESCAPE}", ("bus_1", "pdt_3"): "Team"}
    named = {("bus_1", f"pdt_{n}") for n in (1, 2, 3)}
    assert set().union(*(products_in(one, "bus_1") for one in lines)) == named
    told = printed(show_timeline, [named_entry(one, "bus_1", names) for one in lines])
    assert f"product_id: {words.plain(f'Pro{_ESCAPE}')} (pdt_1) → pdt_2; quantity: 1 → 3" in told
    assert 'scheduled_change: – → Team ({"id":"chg_1","product_id":"pdt_3",' in told
    assert "…)" in told  # the change was cut, so that it is no JSON any more


@given(lives())
def test_a_timeline_has_a_line_a_fact(arrivals: list[Delivery]) -> None:
    entries = [named_entry(one, "bus_1", {}) for one in recorded(arrivals).timeline()]
    told = printed(show_timeline, entries).splitlines()
    while told[0].startswith("recorded afterwards"):
        del told[0]
    assert len(told) == len(entries) + 1
    for line, entry in zip(told[1:], entries, strict=True):
        assert entry.webhook_id in line


def life_of(built: dict[str, Aggregate], **counts: int) -> Lifecycle:
    return lifecycle(built, customer(_ESCAPE, **counts))


LIFE = (
    active(0, product_id="pdt_1", cancel_at_next_billing_date=True,
           next_billing_date="2026-06-01T12:00:00Z", recurring_pre_tax_amount=1999,
           currency="EUR", payment_frequency_interval="Month"),
    said("payment.succeeded", 0, payment_id="pay_1", total_amount=1999, currency="EUR"),
    said("payment.failed", 9, payment_id="pay_1", total_amount=1999, currency="EUR"),
    said("refund.succeeded", 3, payment_id="pay_1", refund_id="ref_1", amount=500, currency="EUR"),
    said("dispute.challenged", 4, dispute_id="dp_1", payment_id="pay_1", amount="1999",
         currency="EUR"),
    said("license_key.created", 1, id="lic_1", product_id="pdt_1"),
)  # fmt: skip


def test_a_customers_life_is_told_from_who_it_is_to_what_happened() -> None:
    found = life_of(aggregates(LIFE), subscriptions=1, active_subscriptions=1, payments=12)
    told = printed(show_customer, found, ", as of then")
    *lines, counts = told.splitlines()[:8]
    assert lines == [
        "customer cus_1 of bus_1, as of then",
        "e-mail ann@example.com",
        f"name {words.plain(_ESCAPE)}",
        "metadata user_id=42",
        "seen from 2026-05-01 12:00:00 to 2026-05-10 12:00:00 (UTC)",
        "paid 19.99 EUR, refunded 5.00 EUR",
        "paid 5000 JPY, refunded 0 JPY",
    ]
    assert counts.startswith("1 subscription (1 active), 12 payments (0 succeeded, 0 failed), 0 ")
    lines = told.splitlines()
    for head, row in (
        (
            "Subscriptions",
            "sub_1 active pdt_1 19.99 EUR a month 2026-05-01 ends on 2026-06-01",
        ),
        ("Open disputes", "dp_1 challenged pay_1 19.99 EUR 2026-05-01 history is partial"),
        ("Licence keys", "lic_1 active pdt_1 2026-05-01"),
    ):
        assert " ".join(lines[lines.index(head) + 3].split()) == row
    happened = [" ".join(line.split()) for line in lines[lines.index("What happened") + 2 :]]
    assert len(happened) == len(LIFE)
    assert "2026-05-01 12:03:00 refund.succeeded ref_1 – → succeeded 5.00 EUR" in " ".join(happened)
    assert happened[-1].startswith("2026-05-01 12:09:00 payment.failed pay_1 stays succeeded 19.99")
    assert "refused: payment.failed is not a valid transition" in happened[-1]
    assert "something before it was never seen" in happened[-2]


def test_drift_late_arrivals_and_what_is_left_out_are_marked() -> None:
    built = aggregates([active(0, status="active"), active(1, status="on_hold")])
    found = life_of(built, subscriptions=3)
    late = msgspec.structs.replace(found.items[0], late_s=2 * 86_400)
    stretch = Stretch(9, NOON, NOON, NOON, NOON, out_of_order=False)
    cut = msgspec.structs.replace(found, stretches=[stretch], items=[late], next="more")
    told = printed(show_customer, cut, "")
    assert "Subscriptions (and 2 older)" in told
    assert "! subscription sub_1: drift: Dodo last said on_hold" in told
    assert "arrived 2 days late" in told
    assert "recorded afterwards in one stretch: 9 facts" in told
    assert told.endswith("Only the first 1 facts are shown.\n")
