"""An axis of time: where an instant stands, and the ticks that suit its span.

Places are percents of a drawing's width, so that it fits every screen and its text keeps its size.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from console.drawing.labels import MONTHS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LEFT: Final = 1.5
RIGHT: Final = 94.0
"""What is behind it is the future, into which open ends lead."""
TICKS_MAX: Final = 8
SPAN_MIN: Final = timedelta(hours=1)
NARROW_PX: Final = 300.0
WIDE_PX: Final = 640.0
"""The widths for which labels are chosen: of a phone, and of all else."""
CHAR_PX: Final = 6.6
_APART_PX: Final = 8.0
_MONDAY: Final = datetime(1, 1, 1, tzinfo=UTC)
_MINUTE: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_EVEN: Final = (
    *(_MINUTE * many for many in (1, 5, 15, 30)),
    *(_HOUR * many for many in (1, 3, 6, 12)),
    *(_DAY * many for many in (1, 2, 7)),
)
_YEARS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
_MONTHS: Final = (1, 3, 6, *(12 * many for many in _YEARS))

Shown: TypeAlias = Literal["always", "wide", "never"]


class Tick(NamedTuple):
    """A line across the drawing, `shown` with its label where there is the space for that."""

    at: datetime
    x: float
    label: str
    is_major: bool
    anchor: Literal["start", "middle", "end"]
    shown: Shown


class Axis(NamedTuple):
    """A span of time from the left to the right."""

    begin: datetime
    end: datetime
    ticks: tuple[Tick, ...]

    def x(self, at: datetime) -> float:
        """Return where an instant stands; what is outside stands at the edge."""
        return _place(self.begin, self.end, at)


def axis(begin: datetime, end: datetime) -> Axis:
    """Make the axis of a span, which is widened to an hour; both instants in UTC."""
    if end - begin < SPAN_MIN:
        begin = end - SPAN_MIN if end - _MONDAY > SPAN_MIN else begin
        end = max(end, begin + SPAN_MIN)
    return Axis(begin, end, tuple(_ticks(begin, end)))


def _place(begin: datetime, end: datetime, at: datetime) -> float:
    share = (at - begin) / (end - begin)
    return round(LEFT + (RIGHT - LEFT) * min(max(share, 0.0), 1.0), 3)


def _ticks(begin: datetime, end: datetime) -> Iterator[Tick]:
    moments, write = _moments(begin, end)
    taken = {NARROW_PX: -_APART_PX, WIDE_PX: -_APART_PX}
    for number, at in enumerate(moments):
        text, is_major = write(at, number == 0)
        x = _place(begin, end, at)
        fits = [width for width in taken if _takes(taken, width, x, text)]
        shown: Shown = "always" if NARROW_PX in fits else "wide" if fits else "never"
        yield Tick(at, x, text, is_major, _anchor(x), shown)


def _anchor(x: float) -> Literal["start", "middle", "end"]:
    if x < 12:
        return "start"
    return "end" if x > 88 else "middle"


def extent(x: float, text: str, width_px: float) -> tuple[float, float]:
    """Return from where to where a label at a place goes, in pixels of a drawing so wide."""
    at, long = x * width_px / 100, len(text) * CHAR_PX
    before = {"start": 0.0, "middle": long / 2, "end": long}[_anchor(x)]
    return at - before, at - before + long


def _takes(taken: dict[float, float], width_px: float, x: float, text: str) -> bool:
    """Tell whether there is space for a label, and take it."""
    begin, end = extent(x, text, width_px)
    if begin < taken[width_px] + _APART_PX:
        return False
    taken[width_px] = end
    return True


def _moments(
    begin: datetime, end: datetime
) -> tuple[list[datetime], Callable[[datetime, bool], tuple[str, bool]]]:
    """Choose the smallest step with few enough ticks, and how these are labelled."""
    for step in _EVEN:
        if (end - begin) / step <= TICKS_MAX + 1:
            found = [*islice(_evenly(begin, end, step), TICKS_MAX + 1)]
            if len(found) <= TICKS_MAX:
                return found, _by_hours if step < _DAY else _by_days
    for months in _MONTHS:
        found = [*islice(_monthly(begin, end, months), TICKS_MAX + 1)]
        if len(found) <= TICKS_MAX:
            return found, _by_months
    return [], _by_months


def _evenly(begin: datetime, end: datetime, step: timedelta) -> Iterator[datetime]:
    number = -((_MONDAY - begin) // step)
    while number * step <= end - _MONDAY:
        yield _MONDAY + number * step
        number += 1


def _monthly(begin: datetime, end: datetime, months: int) -> Iterator[datetime]:
    month = (begin.year * 12 + begin.month - 1) // months * months
    while month // 12 <= end.year:
        year, index = divmod(month, 12)
        month += months
        if year < 1:
            continue
        at = datetime(year, index + 1, 1, tzinfo=UTC)
        if at > end:
            return
        if at >= begin:
            yield at


def _by_hours(at: datetime, is_first: bool) -> tuple[str, bool]:
    is_midnight = (at.hour, at.minute) == (0, 0)
    date, time = f"{at.day} {MONTHS[at.month - 1]}", f"{at:%H:%M}"
    if is_first:
        return f"{date} {time}", is_midnight
    return (date, True) if is_midnight else (time, False)


def _by_days(at: datetime, is_first: bool) -> tuple[str, bool]:
    date = f"{at.day} {MONTHS[at.month - 1]}"
    return (f"{date} {at.year}", True) if is_first else (date, at.day == 1)


def _by_months(at: datetime, is_first: bool) -> tuple[str, bool]:
    if at.month == 1:
        return str(at.year), True
    month = MONTHS[at.month - 1]
    return (f"{month} {at.year}", False) if is_first else (month, False)
