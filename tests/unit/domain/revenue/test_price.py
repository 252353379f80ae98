"""What a price is a month and a year: exact, and rounded once."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.revenue.price import AMOUNT_MAX, PER_YEAR, recurring, rounded


@pytest.mark.parametrize(
    ("amount", "count", "interval", "monthly", "yearly"),
    [
        (2_900, 1, "Month", 2_900, 34_800),
        (200_000, 1, "Year", 16_667, 200_000),
        (3_000, 3, "month", 1_000, 12_000),
        (1_000, 1, "Week", 4_333, 52_000),
        (1_000, 2, "Week", 2_167, 26_000),
        (100, 1, "Day", 3_042, 36_500),
        (6, 1, "Year", 0, 0),  # half a cent a month is nothing, and nothing a year
        (18, 1, "Year", 2, 18),  # 1.5: to the even one
        (0, 1, "Month", 0, 0),
    ],
)
def test_a_price_is_made_a_month_and_a_year(
    amount: int, count: int, interval: str, monthly: int, yearly: int
) -> None:
    assert recurring(amount, count, interval) == (monthly, yearly)


@pytest.mark.parametrize(
    ("amount", "count", "interval"),
    [
        (None, 1, "Month"),
        (-1, 1, "Month"),
        (AMOUNT_MAX + 1, 1, "Month"),
        (100, None, "Month"),
        (100, 0, "Month"),
        (100, 1, None),
        (100, 1, "Fortnight"),
    ],
)
def test_what_is_no_price_is_not_guessed(
    amount: int | None, count: int | None, interval: str | None
) -> None:
    assert recurring(amount, count, interval) is None


@given(st.integers(-(10**18), 10**18), st.integers(1, 10**6))
def test_rounding_is_to_the_nearest_and_of_halves_to_the_even_one(
    numerator: int, denominator: int
) -> None:
    assert rounded(numerator, denominator) == round(Fraction(numerator, denominator))


@given(st.integers(0, AMOUNT_MAX), st.integers(1, 100), st.sampled_from(sorted(PER_YEAR)))
def test_no_month_and_no_year_is_off_by_more_than_half_a_minor_unit(
    amount: int, count: int, interval: str
) -> None:
    found = recurring(amount, count, interval)
    assert found is not None
    exact = Fraction(amount * PER_YEAR[interval], count)
    assert abs(found.monthly - exact / 12) <= Fraction(1, 2)
    assert found.monthly == 0 or abs(found.yearly - exact) <= Fraction(1, 2)
