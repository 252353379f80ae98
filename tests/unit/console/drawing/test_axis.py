"""An axis of time has ticks that suit its span, and labels that can be read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from console.drawing.axis import (
    LEFT,
    NARROW_PX,
    RIGHT,
    SPAN_MIN,
    TICKS_MAX,
    WIDE_PX,
    axis,
    extent,
)

if TYPE_CHECKING:
    from console.drawing.axis import Axis

INSTANTS = st.datetimes(timezones=st.just(UTC))
SPANS = st.sampled_from(
    [timedelta(0), *(timedelta(days=3 * 4**power / 4_096) for power in range(12))]
)


@st.composite
def axes(draw: st.DrawFn) -> Axis:
    begin = draw(INSTANTS)
    if draw(st.booleans()):
        begin, end = sorted((begin, draw(INSTANTS)))
        return axis(begin, end)
    span = draw(SPANS)
    return axis(begin, begin + span if begin.year < 9_000 else begin)


@given(axes())
@example(axis(datetime(1000, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)))
def test_the_ticks_ascend_and_are_neither_none_nor_many(drawn: Axis) -> None:
    assert 1 <= len(drawn.ticks) <= TICKS_MAX
    assert drawn.end - drawn.begin >= SPAN_MIN
    for tick in drawn.ticks:
        assert drawn.begin <= tick.at <= drawn.end
        assert LEFT <= tick.x <= RIGHT
    for one, other in pairwise(drawn.ticks):
        assert one.at < other.at
        assert one.x < other.x


@given(axes())
def test_no_label_covers_another_and_all_stay_within(drawn: Axis) -> None:
    for width, shown in ((NARROW_PX, {"always"}), (WIDE_PX, {"always", "wide"})):
        extents = [extent(tick.x, tick.label, width) for tick in drawn.ticks if tick.shown in shown]
        assert extents
        assert all(0 <= begin < end <= width for begin, end in extents)
        assert all(one[1] < other[0] for one, other in pairwise(extents))


@given(axes(), INSTANTS, INSTANTS)
def test_what_is_later_never_stands_further_left(drawn: Axis, one: datetime, two: datetime) -> None:
    earlier, later = sorted((one, two))
    assert LEFT <= drawn.x(earlier) <= drawn.x(later) <= RIGHT


@pytest.mark.parametrize(
    ("span", "labels"),
    [
        (timedelta(hours=2), ["3 Feb 22:00", "22:15", "22:30", "22:45", "23:00", "23:15", "23:30"]),
        (timedelta(hours=30), ["4 Feb 00:00", "06:00", "12:00", "18:00", "5 Feb"]),
        (timedelta(days=9), ["5 Feb 2024", "7 Feb", "9 Feb", "11 Feb"]),
        (timedelta(days=150), ["Mar 2024", "Apr", "May", "Jun", "Jul"]),
        (timedelta(days=400), ["Apr 2024", "Jul", "Oct", "2025"]),
        (timedelta(days=2_000), ["2025", "2026", "2027", "2028", "2029"]),
        (timedelta(days=40_000), ["2040", "2060", "2080", "2100", "2120"]),
    ],
)
def test_the_ticks_suit_the_span_from_hours_to_years(span: timedelta, labels: list[str]) -> None:
    begin = datetime(2024, 2, 3, 21, 50, tzinfo=UTC)
    assert [tick.label for tick in axis(begin, begin + span).ticks][: len(labels)] == labels
