"""Parts of a server are added up and told by what a webhook takes."""

from __future__ import annotations

from tests.benchmarks.parts import medians_us, told


def test_medians_are_taken_over_rounds_where_a_part_that_is_not_there_took_nothing() -> None:
    rounds = [{"requests": 3.0}, {"requests": 9.0, "vacuum": 5.0}, {"requests": 4.0, "vacuum": 1.0}]

    assert medians_us(rounds) == {"requests": 4.0, "vacuum": 1.0}


def test_parts_below_a_microsecond_are_in_the_sum_alone() -> None:
    parts = {"requests": 400.4, "follower": 200.0, "supervisor": 0.8}

    assert told(parts) == "µs of processor time each: 601 in all, requests 400, follower 200"
