"""Backing off: pauses double up to their limit, however often something fails."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from telemetry.backoff import backoff_s, spread_backoff_s


@given(st.integers(1, 20))
def test_the_pause_doubles_up_to_its_limit(failures: int) -> None:
    assert backoff_s(failures, 0.5, 300.0) == min(300.0, 0.5 * 2.0 ** (failures - 1))


@given(st.integers(1_000, 10**9))
def test_after_an_outage_of_days_the_pause_is_still_the_longest(failures: int) -> None:
    assert backoff_s(failures, 0.1, 1.0) == 1.0


@given(st.integers(1, 60))
def test_many_who_fail_together_come_apart(failures: int) -> None:
    longest = backoff_s(failures, 1.0, 300.0)
    pauses = {spread_backoff_s(failures, 1.0, 300.0) for _ in range(20)}
    assert all(longest / 2 <= pause <= longest for pause in pauses)
    assert len(pauses) > 1
