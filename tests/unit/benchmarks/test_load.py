"""The percentiles of a load are latencies that were measured."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.load import Load

LATENCIES_S = st.lists(st.floats(0, 60), min_size=1).map(lambda some: tuple(sorted(some)))


@pytest.mark.parametrize(("percent", "ms"), [(0, 1), (50, 51), (99, 100), (100, 100)])
def test_a_percentile_is_the_latency_that_so_many_did_not_exceed(percent: float, ms: int) -> None:
    load = Load(1.0, tuple(number / 1000 for number in range(1, 101)))

    assert load.percentile_s(percent) == ms / 1000


@given(LATENCIES_S, st.floats(0, 100))
def test_so_many_requests_did_take_as_long_at_most(
    latencies_s: tuple[float, ...], percent: float
) -> None:
    found_s = Load(1.0, latencies_s).percentile_s(percent)

    assert found_s in latencies_s
    assert sum(one <= found_s for one in latencies_s) >= len(latencies_s) * percent / 100


def test_the_rate_is_of_all_requests_over_all_of_the_time() -> None:
    assert Load(2.0, (0.5, 0.5, 0.5)).requests_per_s == 1.5
