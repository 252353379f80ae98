"""The table of measurements: a line takes the place of the one about the same."""

from __future__ import annotations

from tests.benchmarks.measure import Result
from tests.benchmarks.table import HEAD, line, merged

OLD = "".join(f"{line}\n" for line in (*HEAD, "| a ÷ b | 1 |", "| c ÷ d | 2 |"))


def test_a_line_takes_the_place_of_the_one_about_the_same_and_others_stay() -> None:
    after = merged(OLD, ["| a ÷ b | 3 |", "| e ÷ f | 4 |"]).splitlines()

    assert after == [*HEAD, "| a ÷ b | 3 |", "| c ÷ d | 2 |", "| e ÷ f | 4 |"]


def test_a_line_says_whether_a_target_was_met() -> None:
    result = Result("a ÷ b", 0.449, 0.5, False, "9 against 20")

    assert line(result, "today") == "| a ÷ b | 0.45 | ≥ 0.5 | no | 9 against 20 | today |"
