"""How many webhooks/s so many cores allow is the least of what each part allows."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.cores import FOLLOWER, FOLLOWERS, REQUESTS, WRITERS, limits_per_s, told

PARTS_US: Final = {REQUESTS: 400.0, FOLLOWER: 200.0, FOLLOWERS: 50.0, WRITERS: 100.0, "rest": 50.0}
COSTS_US: Final = st.floats(1, 10_000)
PARTS: Final = st.fixed_dictionaries(dict.fromkeys(PARTS_US, COSTS_US))


def test_each_limit_is_what_a_second_holds_of_its_costs() -> None:
    assert limits_per_s(PARTS_US, 8) == pytest.approx(
        {
            "8 cores": 8 / 800e-6,
            "4 workers": 4 / 400e-6,
            "the follower and its connection": 1 / 250e-6,
            "commits, one after the other": 1 / 100e-6,
        }
    )


def test_a_part_that_took_nothing_is_no_limit() -> None:
    assert "commits, one after the other" not in limits_per_s({**PARTS_US, WRITERS: 0.0}, 8)


@given(PARTS, st.integers(1, 64))
def test_one_more_core_never_allows_less(parts_us: dict[str, float], cores: int) -> None:
    fewer, more = (min(limits_per_s(parts_us, n).values()) for n in (cores, cores + 1))

    assert more >= fewer


def test_what_there_can_be_is_told_first() -> None:
    assert told({"8 cores": 10_000.4, "4 workers": 1_250.0}) == "4 workers: 1,250; 8 cores: 10,000"
