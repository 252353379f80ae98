"""Days, weeks and months in UTC, which reports are told by."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

Size: TypeAlias = Literal["month", "week", "day"]
SIZES: Final[tuple[Size, ...]] = get_args(Size)
FIRST: Final = date(1970, 1, 1)
LAST: Final = date(2199, 12, 31)
"""Nothing is told before and after these."""


class Span(NamedTuple):
    """A day, a week from its Monday on, or a month, both days included."""

    first: date
    last: date

    @property
    def begin(self) -> datetime:
        """The instant with which it begins."""
        return datetime.combine(self.first, time(), UTC)

    @property
    def end(self) -> datetime:
        """The first instant behind it."""
        return datetime.combine(self.last + timedelta(days=1), time(), UTC)


def midnight(instant: datetime) -> datetime:
    """Return when the day that an instant is in began, in UTC."""
    return instant.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def span_of(day: date, size: Size) -> Span:
    """Return the day, week or month that a day is in."""
    if size == "day":
        return Span(day, day)
    if size == "week":
        monday = day - timedelta(days=day.weekday())
        return Span(monday, monday + timedelta(days=6))
    first = day.replace(day=1)
    return Span(first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1))


def spans(start: date, end: date, size: Size, count_max: int) -> list[Span]:
    """Return all that have a day from `start` to `end`; one more than `count_max` at the most."""
    found = [span_of(start, size)]
    while found[-1].last < end and len(found) <= count_max:
        found.append(span_of(found[-1].last + timedelta(days=1), size))
    return found


def months_before(day: date, months: int) -> date:
    """Return the first day of the month that lies so many months before a day's."""
    whole = day.year * 12 + day.month - 1 - months
    return max(FIRST, date(whole // 12, whole % 12 + 1, 1))
