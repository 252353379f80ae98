"""Figures over time in the space of a line of text: where they went, not what each one is."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WIDTH: Final = 160.0
HEIGHT: Final = 36.0
PAD: Final = 4.0
POINTS_MAX: Final = 400
"""Of more than a year by days, the last are drawn."""

Point: TypeAlias = tuple[float, float]


class Sparkline(NamedTuple):
    """The lines of what is known, with the area below them, and its last point.

    `zero_y` is where nothing is, None where all figures are above it.
    """

    key: str
    title: str
    description: str
    width: float
    height: float
    lines: tuple[str, ...]
    areas: tuple[str, ...]
    last: Point | None
    zero_y: float | None


def sparkline(
    values: Sequence[float | None], *, title: str, words: Sequence[str] = (), key: str = "spark"
) -> Sparkline:
    """Draw values, the oldest first, at equal distances; None is a hole.

    `words` say each value as it is to be read, and the description is made of the first, the last,
    the lowest and the highest of them.
    """
    words = [*(words or ["–" if value is None else f"{value:g}" for value in values])]
    words, values = words[-POINTS_MAX:], values[-POINTS_MAX:]
    known = [value for value in values if value is not None]
    if not known:
        return Sparkline(key, title, "no figures", WIDTH, HEIGHT, (), (), None, None)
    low, high = min(known), max(known)
    base = min(low, 0) if low < 0 or low <= (high - low) else low
    scale = _Scale(len(values), base, high)
    runs = [*_runs(values, scale)]
    floor = scale.y(max(base, 0) if base <= 0 else base)
    return Sparkline(
        key=key,
        title=title,
        description=_described(values, words),
        width=WIDTH,
        height=HEIGHT,
        lines=tuple(_line(run) for run in runs),
        areas=tuple(_area(run, floor) for run in runs),
        last=runs[-1][-1],
        zero_y=floor if low < 0 else None,
    )


class _Scale(NamedTuple):
    points: int
    low: float
    high: float

    def x(self, place: int) -> float:
        if self.points == 1:
            return WIDTH / 2
        return round(PAD + (WIDTH - 2 * PAD) * place / (self.points - 1), 2)

    def y(self, value: float) -> float:
        # What never changes is a line in the middle. Halves, since the difference may overflow.
        span = self.high / 2 - self.low / 2
        share = (value / 2 - self.low / 2) / span if span else 0.5
        return round(HEIGHT - PAD - (HEIGHT - 2 * PAD) * min(max(share, 0.0), 1.0), 2)


def _runs(values: Sequence[float | None], scale: _Scale) -> Iterator[list[Point]]:
    """Give the points of what is known, run by run."""
    for is_known, run in groupby(enumerate(values), key=lambda one: one[1] is not None):
        if is_known:
            yield [(scale.x(place), scale.y(value)) for place, value in run if value is not None]


def _line(run: Sequence[Point]) -> str:
    # A point alone is a dot: a line of no length with round ends.
    points = run if len(run) > 1 else [*run, *run]
    return "M" + "L".join(f"{x:g},{y:g}" for x, y in points)


def _area(run: Sequence[Point], floor: float) -> str:
    return f"{_line(run)}L{run[-1][0]:g},{floor:g}L{run[0][0]:g},{floor:g}Z"


def _described(values: Sequence[float | None], words: Sequence[str]) -> str:
    known = [(value, place) for place, value in enumerate(values) if value is not None]
    (_, low), (_, high) = min(known), max(known)
    first, last = known[0][1], known[-1][1]
    return f"from {words[first]} to {words[last]}; lowest {words[low]}, highest {words[high]}"
