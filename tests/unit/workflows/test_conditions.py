"""Conditions of routes: globs over types, and values at places of a payload."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.routes.conditions import Glob, read_condition


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("*", ["", "dispute.opened"], []),
        ("dispute.*", ["dispute.", "dispute.won"], ["dispute", "a.dispute.won", "disputes.won"]),
        ("*.failed", ["payment.failed"], ["payment.failed.again", "failed"]),
        ("dispute.opened", ["dispute.opened"], ["dispute.openeds", "disputexopened"]),
        ("*a*a*", ["aa", "xaxax"], ["a", "xax"]),
        ("ab*ba", ["abba", "abxba"], ["aba"]),
    ],
)
def test_a_star_stands_for_any_text(pattern: str, matching: list[str], others: list[str]) -> None:
    glob = Glob(pattern)
    assert all(glob.matches(type_) for type_ in matching)
    assert not any(glob.matches(type_) for type_ in others)


@given(st.text("ab.*", min_size=1, max_size=12), st.text("ab.", max_size=12))
def test_a_glob_is_what_a_regular_expression_says(pattern: str, type_: str) -> None:
    expression = ".*".join(map(re.escape, pattern.split("*")))
    assert Glob(pattern).matches(type_) == bool(re.fullmatch(expression, type_))


def test_a_glob_of_many_stars_is_no_trap() -> None:
    assert not Glob("*a" * 49 + "*b").matches("a" * 100)


PAYLOAD: dict[str, object] = {
    "type": "dispute.opened",
    "data": {
        "currency": "USD",
        "amount": "6100",
        "tax": 361,
        "rate": 0.5,
        "on_demand": True,
        "zero": 0,
        "reason": None,
        "lines": [{"product_id": "pdt_1"}, {"product_id": "pdt_2"}],
        "metadata": {"7": "seven"},
    },
}


@pytest.mark.parametrize(
    ("place", "declared", "holds"),
    [
        ("type", "dispute.opened", True),
        ("data.currency", "USD", True),
        ("data.currency", "usd", False),
        ("data.currency", ["EUR", "USD"], True),
        ("data.currency", ["EUR", "INR"], False),
        ("data.currency", {"not": "EUR"}, True),
        ("data.currency", {"not": ["EUR", "USD"]}, False),
        ("data.tax", 361, True),
        ("data.tax", 361.0, True),
        ("data.tax", "361", False),
        ("data.tax", {"min": 361, "max": 361}, True),
        ("data.tax", {"min": 362}, False),
        ("data.tax", {"max": 360.5}, False),
        ("data.rate", {"min": 0.4, "max": 1}, True),
        ("data.amount", 6100, True),
        ("data.amount", ["6100"], True),
        ("data.amount", {"min": 6000, "max": 7000}, True),
        ("data.amount", {"min": 6000, "not": 6100}, False),
        ("data.currency", {"min": 0}, False),
        ("data.on_demand", True, True),
        ("data.on_demand", False, False),
        ("data.on_demand", 1, False),
        ("data.zero", False, False),
        ("data.zero", 0, True),
        ("data.zero", {"present": True}, True),
        ("data.on_demand", {"min": 0}, False),
        ("data.reason", {"present": False}, True),
        ("data.reason", {"present": True}, False),
        ("data.reason", {"not": "fraud"}, True),
        ("data.reason", "", False),
        ("data.nothing", {"present": False}, True),
        ("data.nothing", {"min": 0}, False),
        ("data.currency.of", {"present": True}, False),
        ("data.lines.1.product_id", "pdt_2", True),
        ("data.lines.2.product_id", {"present": True}, False),
        ("data.lines.x", {"present": True}, False),
        ("data.lines.²", {"present": True}, False),
        ("data.metadata.7", "seven", True),
    ],
)
def test_a_condition_asks_for_a_value(place: str, declared: object, holds: bool) -> None:
    assert read_condition(place, declared).holds(PAYLOAD) is holds


NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_limits_are_those_of_numbers(value: float, least: float, most: float) -> None:
    condition = read_condition("n", {"min": least, "max": most})
    assert condition.holds({"n": value}) == (least <= value <= most)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc01"), inner, max_size=3)
    ),
    max_leaves=12,
)
SCALARS = st.booleans() | st.integers() | st.text(max_size=5)


@given(st.dictionaries(st.sampled_from("abc01"), JSON), st.sampled_from(["a", "a.0", "b.c.1"]))
def test_a_place_in_any_payload_is_there_or_is_not(payload: dict[str, object], place: str) -> None:
    is_there = read_condition(place, {"present": True}).holds(payload)
    assert read_condition(place, {"present": False}).holds(payload) is not is_there


@given(st.dictionaries(st.sampled_from("ab"), JSON), SCALARS)
def test_a_value_is_wanted_or_is_not(payload: dict[str, object], wanted: object) -> None:
    is_wanted = read_condition("a", wanted).holds(payload)
    assert read_condition("a", {"not": wanted}).holds(payload) is not is_wanted
    assert read_condition("a", [wanted, "else"]).holds({"a": "else"})
