"""Days, weeks and months: which one a day is in, and which follow."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from domain.revenue.calendar import FIRST, LAST, SIZES, Size, Span, months_before, span_of, spans

DAYS = st.dates(FIRST, LAST)


def test_a_week_begins_on_monday_and_a_month_on_its_first_day() -> None:
    assert span_of(date(2026, 5, 3), "week") == Span(date(2026, 4, 27), date(2026, 5, 3))
    assert span_of(date(2028, 2, 29), "month") == Span(date(2028, 2, 1), date(2028, 2, 29))
    assert span_of(date(2026, 5, 3), "day") == Span(date(2026, 5, 3), date(2026, 5, 3))


def test_a_period_ends_where_the_next_begins_in_utc() -> None:
    april = span_of(date(2026, 4, 9), "month")
    assert april.begin == datetime(2026, 4, 1, tzinfo=UTC)
    assert april.end == datetime(2026, 5, 1, tzinfo=UTC)


@given(DAYS, st.integers(0, 400), st.sampled_from(SIZES))
def test_periods_follow_without_holes_from_the_first_day_to_the_last(
    start: date, days: int, size: Size
) -> None:
    end = min(start + timedelta(days=days), LAST)
    found = spans(start, end, size, 500)
    assert found[0].first <= start <= found[0].last
    assert found[-1].first <= end <= found[-1].last
    for one, following in pairwise(found):
        assert one.end == following.begin


def test_no_more_are_made_than_are_asked_for_and_one() -> None:
    assert len(spans(FIRST, LAST, "day", 10)) == 11


def test_a_year_of_months_begins_eleven_months_before() -> None:
    assert months_before(date(2026, 3, 31), 11) == date(2025, 4, 1)
    assert months_before(date(1970, 2, 1), 11) == FIRST
