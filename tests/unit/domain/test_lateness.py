"""What comes late is told once: by itself, or with all that was recorded with it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from domain.lateness import DELAY_MAX, PAUSE_MAX, Arrival, Lateness, Stretch, lateness
from tests.support.histories import NOON

if TYPE_CHECKING:
    from datetime import datetime
    from random import Random

MONTHS = timedelta(days=446)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def arrivals(*times: tuple[float, float]) -> list[Arrival]:
    """Make facts of the minutes in which they occurred and were recorded, in this order."""
    return [Arrival(n, at(occurred), at(recorded)) for n, (occurred, recorded) in enumerate(times)]


LOGS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 99)), max_size=12).map(
    lambda drawn: [
        Arrival(n, at(recorded - 20 * delay), at(recorded))
        for n, (delay, recorded) in enumerate(sorted(drawn, key=lambda one: one[1]))
    ]
)
"""Facts in order of recording; some came at once, others up to hours late."""


def test_what_came_within_a_minute_is_not_late_in_whatever_order() -> None:
    assert lateness(arrivals((0, 0), (-0.5, 0.2), (0, 0.9), (-1, 0))) == Lateness({}, [])


def test_a_fact_that_is_held_up_alone_is_late_by_itself() -> None:
    late = lateness(arrivals((0, 0), (10, 10), (5, 125), (126, 126)))
    assert late == Lateness({2: 7_200}, [])
    assert lateness(arrivals((0, 120))) == Lateness({0: 7_200}, [])


@given(st.lists(st.integers(0, 500_000), min_size=2, max_size=20), st.randoms())
def test_history_that_is_loaded_afterwards_is_one_stretch_in_whatever_order(
    minutes: list[int], random: Random
) -> None:
    random.shuffle(minutes)
    loaded_at = NOON + MONTHS
    loaded = [
        Arrival(n, at(minute), loaded_at + timedelta(seconds=n)) for n, minute in enumerate(minutes)
    ]
    (stretch,) = lateness(loaded).stretches
    assert stretch == Stretch(
        facts=len(minutes),
        occurred_from=at(min(minutes)),
        occurred_to=at(max(minutes)),
        recorded_from=loaded_at,
        recorded_to=loaded_at + timedelta(seconds=len(minutes) - 1),
        out_of_order=False,
    )
    assert lateness(loaded).late_s == {}


def test_a_recovery_that_fills_a_hole_is_one_stretch_out_of_order() -> None:
    lived = [(0, 0), (1, 1), (900, 900)]
    late = lateness(arrivals(*lived, (30, 1_000), (10, 1_001), (20, 1_002), (1_003, 1_003)))
    (stretch,) = late.stretches
    assert (stretch.facts, stretch.out_of_order, late.late_s) == (3, True, {})
    assert (stretch.occurred_from, stretch.occurred_to) == (at(10), at(30))


def test_what_comes_late_on_both_sides_of_what_was_known_is_told_apart() -> None:
    late = lateness(arrivals((20, 20), (50, 50), (10, 100), (30, 101), (40, 102), (90, 103)))
    assert late.late_s == {2: 90 * 60, 5: 13 * 60}
    (stretch,) = late.stretches
    assert (stretch.facts, stretch.out_of_order) == (2, True)


def test_a_pause_ends_a_stretch() -> None:
    pause = PAUSE_MAX / timedelta(minutes=1)
    times = [(0, 600), (1, 601), (2, 602 + pause), (3, 603 + pause)]
    assert [one.facts for one in lateness(arrivals(*times)).stretches] == [2, 2]
    assert [one.out_of_order for one in lateness(arrivals(*times)).stretches] == [False, False]


@given(LOGS)
def test_every_late_fact_is_told_exactly_once_and_no_other(log: list[Arrival]) -> None:
    late = lateness(log)
    delayed = {one.position for one in log if one.recorded_at - one.occurred_at > DELAY_MAX}
    assert late.late_s.keys() <= delayed
    assert len(late.late_s) + sum(one.facts for one in late.stretches) == len(delayed)
    assert all(one.facts > 1 for one in late.stretches)


@given(LOGS, st.randoms())
def test_the_order_in_which_facts_are_looked_at_does_not_matter(
    log: list[Arrival], random: Random
) -> None:
    assert lateness(random.sample(log, len(log))) == lateness(log)


@given(LOGS)
def test_what_comes_in_time_later_changes_nothing_of_what_was_told(log: list[Arrival]) -> None:
    later = Arrival(len(log), at(500), at(500))
    assert lateness([*log, later]) == lateness(log)


@given(LOGS)
def test_nothing_known_before_lies_within_a_stretch(log: list[Arrival]) -> None:
    for stretch in lateness(log).stretches:
        before = [one for one in log if one.recorded_at < stretch.recorded_from - PAUSE_MAX]
        for one in before:
            assert not stretch.occurred_from < one.occurred_at < stretch.occurred_to
