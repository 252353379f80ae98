"""What is computed of measurements: percentiles, rates, and whether a target is met."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.load import Load
from tests.benchmarks.measure import Result, percentile

ASCENDING = st.lists(st.floats(0, 60), min_size=1).map(sorted)


@pytest.mark.parametrize(("percent", "expected"), [(0, 1), (50, 51), (99, 100), (100, 100)])
def test_a_percentile_is_the_value_that_so_many_did_not_exceed(
    percent: float, expected: float
) -> None:
    assert percentile(range(1, 101), percent) == expected


@given(ASCENDING, st.floats(0, 100))
def test_so_many_values_are_not_above_a_percentile(ascending: list[float], percent: float) -> None:
    found = percentile(ascending, percent)

    assert found in ascending
    assert sum(one <= found for one in ascending) >= len(ascending) * percent / 100


def test_the_rate_is_of_all_requests_over_all_of_the_time() -> None:
    assert Load(2.0, (0.5, 0.5, 0.5)).requests_per_s == 1.5


@pytest.mark.parametrize(
    ("target", "at_most", "met"),
    [
        (2, True, True),
        (1.9, True, False),
        (2, False, True),
        (2.1, False, False),
        (None, True, None),
    ],
)
def test_a_target_is_met_on_its_side(target: float | None, at_most: bool, met: bool | None) -> None:
    assert Result("a ÷ b", 2.0, target, at_most, "").met is met
