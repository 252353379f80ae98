"""A line says whether others were busy on the machine."""

from __future__ import annotations

from typing import Final

import pytest

from tests.benchmarks.machine import busy_ticks, described

STAT: Final = "cpu  100 20 30 4000 500 6 7 8 90 10\ncpu0 50 10 15 2000 250 3 3 4 45 5\nintr 17\n"


def test_ticks_without_work_and_those_that_waited_for_a_disk_are_not_busy() -> None:
    assert busy_ticks(STAT) == 100 + 20 + 30 + 6 + 7 + 8


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        pytest.param(0.02, 0.1, "quiet", id="quiet"),
        pytest.param(1.64, 0.0, "others took 1.6 cores", id="busy-before"),
        pytest.param(0.0, 0.7, "others took 0.7 cores", id="busy-after"),
    ],
)
def test_a_machine_is_quiet_where_it_was_before_and_after(
    before: float, after: float, said: str
) -> None:
    assert described("ingest", before, after).endswith(f", {said}, `ingest`")
