"""Credits: a ledger whose entries add up exactly, in any order, and tell where some are missing."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from itertools import permutations
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.aggregates.credit import Credit, CreditEntity
from domain.aggregates.factory import aggregate
from domain.aggregates.routing import route
from domain.comparison import compare, news
from domain.event import Event
from domain.explanation.explain import explain
from domain.field_readers import decimal, shortest
from tests.support.histories import NOON, delivery, look_of, of_one, said, seen

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from random import Random

    from domain.aggregate import Aggregate
    from domain.delivery import Delivery
    from domain.entity import Entity
    from domain.look import Look

ACCOUNT = {"customer_id": "cus_1", "credit_entitlement_id": "cde_1"}
ID = "cus_1/cde_1"


def entry(
    word: str,
    number: int,
    amount: str | float,
    before: tuple[str, str],
    after: tuple[str, str],
    **more: object,
) -> Delivery:
    """An entry of the ledger, made in the minute of its number unless it says another."""
    grows = Decimal(after[0]) - Decimal(after[1]) >= Decimal(before[0]) - Decimal(before[1])
    data = {
        "id": f"cdl_{number}",
        "created_at": f"2026-05-01T12:{number:02}:00Z",
        "amount": amount,
        "is_credit": grows,
        "balance_before": before[0],
        "balance_after": after[0],
        "overage_before": before[1],
        "overage_after": after[1],
    }
    return said(f"credit.{word}", number, f"msg_{number}", **ACCOUNT, **data | more)


def low(minute: int, available: str) -> Delivery:
    told = {"available_balance": available, "credit_entitlement_name": "Renders"}
    return said("credit.balance_low", minute, None, **ACCOUNT, **told, subscription_id="sub_1")


def account(*deliveries: Delivery) -> CreditEntity:
    (known,) = of_one(*deliveries).entities()
    assert isinstance(known.entity, CreditEntity)
    return known.entity


def summed(entity: CreditEntity) -> tuple[str, str, str, str | None]:
    return str(entity.balance), str(entity.overage), entity.history, str(entity.unexplained)


WHOLE = (
    entry("added", 1, "100", ("0", "0"), ("100", "0")),
    entry("deducted", 2, "12.5", ("100", "0"), ("87.5", "0")),
    entry("deducted", 3, "87.5", ("87.5", "0"), ("0", "0")),
    entry("overage_charged", 4, "15", ("0", "0"), ("0", "15")),
    entry("added", 5, "100", ("0", "15"), ("85", "0")),
)


def test_the_balance_is_the_sum_of_the_entries_in_every_order() -> None:
    for order in permutations(WHOLE):
        entity = account(*order)
        assert summed(entity) == ("85", "0", "complete", "0")
        assert (entity.entries, str(entity.ledger_balance), entity.anomaly) == (5, "85", None)


def test_what_has_no_entry_is_nothing_and_a_repeat_counts_once() -> None:
    again = entry("added", 1, "100", ("0", "0"), ("100", "0"))
    later = said("credit.added", 9, "msg_other", **json.loads(again.body)["data"])
    assert summed(account(WHOLE[0], again, later)) == ("100", "0", "complete", "0")
    assert account(WHOLE[0], later).entries == 1


def test_entries_of_one_instant_need_no_order_of_their_own() -> None:
    at = {"created_at": "2026-05-01T12:00:00Z"}
    burst = (
        entry("expired", 1, "30", ("30", "0"), ("0", "0"), **at),
        entry("added", 2, "100", ("0", "0"), ("100", "0"), **at),
        entry("added", 0, "30", ("0", "0"), ("30", "0"), created_at="2026-05-01T11:00:00Z"),
    )
    for order in permutations(burst):
        assert summed(account(*order)) == ("100", "0", "complete", "0")
    back = (
        entry("added", 1, "30", ("0", "0"), ("30", "0"), created_at="2026-05-01T11:00:00Z"),
        entry("deducted", 2, "30", ("30", "0"), ("0", "0"), **at),
        entry("added", 3, "30", ("0", "0"), ("30", "0"), **at),
    )
    assert summed(account(*back)) == ("30", "0", "complete", "0")
    apart = entry("added", 4, "5", ("7", "0"), ("12", "0"), **at)
    assert account(*back, apart).history == "partial"
    assert account(back[0], back[1], apart).history == "partial"


def test_what_leads_on_from_an_entry_that_was_made_later_hangs_together_with_nothing() -> None:
    first = entry("added", 2, "100", ("0", "0"), ("100", "0"))
    assert account(first, entry("deducted", 1, "5", ("100", "0"), ("95", "0"))).history == "partial"


def test_where_the_beginning_is_missing_dodos_word_counts_and_the_rest_is_told() -> None:
    entity = account(*WHOLE[1:])
    assert summed(entity) == ("85", "0", "partial", "100")
    assert str(entity.ledger_balance) == "-15"


@pytest.mark.parametrize("missing", [1, 2, 3])
def test_a_hole_is_told_with_what_it_must_have_changed(missing: int) -> None:
    entity = account(*WHOLE[:missing], *WHOLE[missing + 1 :])
    assert entity.history == "partial"
    assert str(entity.balance) == "85"
    whole, left = account(*WHOLE), entity
    net = whole.ledger_balance - whole.ledger_overage
    assert left.unexplained == net - (left.ledger_balance - left.ledger_overage)


def test_an_end_that_a_warning_tells_of_counts_until_its_entries_come() -> None:
    entity = account(WHOLE[0], low(9, "40"))
    assert summed(entity) == ("40", "None", "partial", "-60")
    assert (entity.credit_entitlement_name, entity.subscription_ids) == ("Renders", ("sub_1",))
    known = entry("deducted", 3, "60", ("100", "0"), ("40", "0"))
    assert summed(account(WHOLE[0], low(9, "40"), known)) == ("40", "0", "complete", "0")


def test_an_amount_that_is_not_what_it_changes_is_an_anomaly_and_the_change_counts() -> None:
    entity = account(entry("added", 1, "99", ("0", "0"), ("100", "0")))
    assert str(entity.balance) == "100"
    assert entity.anomaly == "entry cdl_1: its amount is not what it changes"


def test_two_webhooks_that_say_different_things_of_one_entry_are_an_anomaly() -> None:
    one = entry("added", 1, "100", ("0", "0"), ("100", "0"))
    data = json.loads(entry("added", 1, "50", ("0", "0"), ("50", "0")).body)["data"]
    for order in permutations([one, said("credit.added", 2, "msg_2", **data)]):
        entity = account(*order)
        assert entity.anomaly == "entry cdl_1: two webhooks say different things of it"
        assert str(entity.balance) == "50"


def test_entries_without_a_before_and_after_add_up_by_their_amounts() -> None:
    blank = dict.fromkeys(["balance_before", "balance_after", "overage_before", "overage_after"])
    one = entry("added", 1, "10", ("0", "0"), ("10", "0"), **blank)
    two = entry("deducted", 2, "3.25", ("10", "0"), ("6.75", "0"), **blank)
    assert str(account(one, two).balance) == "6.75"
    assert account(WHOLE[0], two).history == "partial"
    charged = entry("overage_charged", 3, "2", ("0", "0"), ("0", "2"), **blank)
    assert str(account(charged).overage) == "2"


def test_amounts_are_exact_however_they_are_written() -> None:
    digits = "1234567890.1234567890123456789012345678"
    body = entry("added", 1, "X", ("0", "0"), ("5", "0"), balance_after="Y").body
    written = body.replace(b'"X"', digits.encode()).replace(b'"Y"', f'"{digits}"'.encode())
    entity = account(delivery(written, "msg_1"))
    assert str(entity.balance) == str(entity.ledger_balance) == digits
    assert entity.anomaly is None


@pytest.mark.parametrize(
    "odd",
    ["NaN", "Infinity", "1e400", " 1", "_1", "12345678901", f"0.{'1' * 29}", "", True, 1e99],
)
def test_what_is_no_amount_counts_as_absent(odd: object) -> None:
    assert decimal(odd) is None
    body = json.dumps(odd).encode()
    assert account(delivery(WHOLE[0].body.replace(b'"100"', body), "msg_1")).history == "complete"


@given(st.integers(-999, 999), st.integers(0, 4), st.integers(0, 3), st.integers(0, 3))
def test_one_number_is_one_text_however_it_is_written(
    number: int, places: int, zeros_before: int, zeros_behind: int
) -> None:
    whole, fraction = divmod(abs(number), 10**places)
    point = f".{fraction:0{places}}{'0' * zeros_behind}" if places else ""
    written = f"{'-' * (number < 0)}{'0' * zeros_before}{whole}{point}"
    plain = f"{Decimal(number).scaleb(-places).normalize():f}"
    for read in (written, msgspec.Raw(written.encode()), msgspec.Raw(f'"{written}"'.encode())):
        assert str(decimal(read)) == plain
    assert str(shortest(Decimal(written))) == plain


@given(st.lists(st.decimals(-99, 99, places=3), min_size=1, max_size=8), st.randoms())
def test_any_ledger_is_whole_in_any_order_and_partial_without_its_beginning(
    moves: Sequence[Decimal], random: Random
) -> None:
    deliveries = list(_ledger(moves))
    total = sum(moves, Decimal(0))
    shuffled = random.sample(deliveries, len(deliveries))
    entity = account(*shuffled)
    assert entity.balance is not None
    assert (entity.balance, entity.unexplained) == (total, Decimal(0))
    assert entity.history == "complete"
    if len(moves) > 1 and moves[0] != 0:
        assert account(*deliveries[1:]).unexplained == moves[0]


def _ledger(moves: Iterable[Decimal]) -> Iterable[Delivery]:
    balance = Decimal(0)
    for number, move in enumerate(moves, start=1):
        before, balance = balance, balance + move
        word = "added" if move >= 0 else "deducted"
        yield entry(word, number, str(abs(move)), (str(before), "0"), (str(balance), "0"))


def test_the_entries_of_the_ledger_stand_in_their_order_with_their_signs() -> None:
    stream = of_one(*reversed(WHOLE))
    assert isinstance(stream, Credit)
    found = [(one.id, str(one.amount), str(one.balance_change)) for one in stream.ledger()]
    assert found == [
        ("cdl_1", "100", "100"),
        ("cdl_2", "-12.5", "-12.5"),
        ("cdl_3", "-87.5", "-87.5"),
        ("cdl_4", "-15", "0"),
        ("cdl_5", "100", "85"),
    ]


def test_a_balance_is_explained_by_its_entries() -> None:
    found = explain(of_one(*WHOLE), "credit", ID, "balance")
    assert (found.value, found.set_by_count, found.note) == ("85", 5, None)
    partial = explain(of_one(*WHOLE[1:]), "credit", ID, "balance")
    assert partial.note is not None
    assert "100" in partial.note


@st.composite
def looks_at_entries(draw: st.DrawFn, minute: int) -> list[Look]:
    """Draw looks at few entries, some of them twice, from a minute on."""
    amount, bought_by = st.sampled_from([5, 7]), st.sampled_from([None, "sub_1", "sub_2"])
    entries = draw(st.dictionaries(st.integers(1, 5), st.tuples(amount, bought_by), min_size=1))
    looks = []
    for number in draw(st.lists(st.sampled_from(sorted(entries)), max_size=9)):
        credits_ = str(entries[number][0] * 10**number)  # so that no two differences cancel out
        about = {"id": f"cdl_{number}", "amount": credits_, "is_credit": True}
        of = {"transaction_type": "credit_added", "created_at": f"2026-05-01T12:{number:02}:00Z"}
        bought = {"reference_type": "subscription", "reference_id": entries[number][1]}
        minute += draw(st.integers(0, 1))
        looks.append(look_of(seen("credit", minute, None, **ACCOUNT, **about, **of, **bought).body))
    return looks


@given(looks_at_entries(10), st.lists(st.sampled_from(WHOLE), unique=True), looks_at_entries(20))
def test_looks_at_entries_are_judged_together_as_they_are_one_by_one(
    before: list[Look], arrived: list[Delivery], read: list[Look]
) -> None:
    known = taken(aggregate(f"credit/bus_1/{ID}", ()), before, "before")
    for one in arrived:
        number = known.version + 1
        known.append(Event(known.id, number, route(one).topic, one, number, NOON))
    together = taken(known, read, "read")
    one_by_one = known
    for number, look in enumerate(read):
        compared = compare(one_by_one, look, f"read_{number}")
        one_by_one = compared.then if compared.changes else one_by_one
    assert known_of(together) == known_of(one_by_one)
    again = [msgspec.structs.replace(one, at=NOON + timedelta(hours=1)) for one in read]
    assert taken(together, again, "again").version == together.version


def taken(known: Aggregate, looks: Sequence[Look], name: str) -> Aggregate:
    """Return an aggregate that has taken what is new in looks, judged together."""
    told = news(known, {f"{name}_{number}": look for number, look in enumerate(looks)})
    events = [
        Event(known.id, number, "raphus.credit_observed", one, number, NOON)
        for number, one in enumerate(told, start=known.version + 1)
    ]
    return aggregate(known.id, [*known.events, *events])


def known_of(stream: Aggregate) -> list[Entity]:
    return [msgspec.structs.replace(one.entity, occurred_at=NOON) for one in stream.entities()]
