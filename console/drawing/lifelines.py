"""The lifelines of a customer: all that there is of it on one axis of time.

`x` and `width` are percents of the drawing's width, `y` and `height` pixels of one lane's own
drawing.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from console.drawing.axis import CHAR_PX, NARROW_PX, RIGHT, WIDE_PX, Axis, Tick, axis
from console.drawing.labels import Label, counted, day, label, listed, minute, worded
from console.drawing.lanes import GROUPS, SHAPES, Lane, Mark, Shape, Stay, instants, lanes_of
from console.tones import MEANINGS, tone_of
from domain.aggregates.catalogue import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from api.resources.lifecycle import Lifecycle
    from domain.lateness import Stretch

LANES_MAX: Final = 16
SEGMENTS_MAX: Final = 30
MARKS_MAX: Final = 40
"""Of one lane."""
TOLD_MAX: Final = 8
"""So many of a lane's states and marks, the last ones, are told in words."""
BANDS_MAX: Final = 20
_TITLE_CHARS_MAX: Final = 60
_TITLES_MAX: Final = 4
WIDTH_MIN: Final = 0.3
APART_MIN: Final = 1.2
"""Marks of one shape that are nearer are drawn as one."""
_LEAD_IN: Final = 2.5
END: Final = 99.5
BAR_Y, BAR_HEIGHT, LINE_HEIGHT, RAIL_HEIGHT = 2, 16, 4, 20

Fits: TypeAlias = Literal["always", "wide", "never"]


class Segment(NamedTuple):
    """A state on the bar of a lane, or several that are too short to be drawn one by one.

    `word` is written into it where it `fits`. What is over is drawn as a line, what is not has a
    `tail` into the future.
    """

    x: float
    width: float
    y: int
    height: int
    tone: str
    word: str
    fits: Fits
    tail: float | None
    title: str


class Dot(NamedTuple):
    """One mark, or several of a shape at nearly the same place; `reach` is when it was recorded."""

    x: float
    y: int
    shape: Shape
    times: int
    reach: float | None
    title: str


class Told(NamedTuple):
    """A state, or a mark, in words."""

    text: str
    since: datetime
    until: datetime | None
    kind: str
    id: str


class DrawnLane(NamedTuple):
    """A lane, whose `heading` is that of its group where it is the first of it."""

    kind: str
    id: str
    heading: str | None
    title: Label
    word: str
    tone: str
    notes: tuple[str, ...]
    height: int
    rail_y: int | None
    lead_in: tuple[float, float] | None
    segments: tuple[Segment, ...]
    dots: tuple[Dot, ...]
    description: str
    told: tuple[Told, ...]
    untold: int


class Band(NamedTuple):
    """What was recorded afterwards, together."""

    x: float
    width: float
    title: str


class Lifelines(NamedTuple):
    """A customer's lifelines; `left_out` are sentences on what there was no space for."""

    key: str
    title: str
    description: str
    ticks: tuple[Tick, ...]
    now: str
    now_x: float
    bands: tuple[Band, ...]
    lanes: tuple[DrawnLane, ...]
    tones: tuple[tuple[str, str], ...]
    shapes: tuple[tuple[Shape, str], ...]
    left_out: tuple[str, ...]


def lifelines(
    life: Lifecycle,
    *,
    at: datetime,
    is_past: bool = False,
    key: str = "lifelines",
    lanes_max: int = LANES_MAX,
) -> Lifelines:
    """Draw what there is of a customer up to an instant in UTC: now, or what is asked as of.

    The lanes that moved last are drawn where there are more than so many.
    """
    lanes = lanes_of(life)
    kept = _last(lanes, lanes_max)
    moments = [*instants(kept), at]
    scale = axis(min(moments), max(moments))
    drawn: list[DrawnLane] = []
    for lane in kept:
        is_first = not drawn or drawn[-1].kind != lane.kind
        drawn.append(_drawn(lane, scale, GROUPS[lane.kind] if is_first else None))
    left_out = []
    if len(lanes) > len(kept):
        fewer = counted(len(lanes) - len(kept), "lane")
        left_out.append(f"{fewer} that moved before the others {_are(len(lanes) - len(kept))}")
    left_out += [
        f"{more} {_are(count)}" for more, count in (_unsegmented(kept), _unmarked(kept)) if count
    ]
    return Lifelines(
        key=key,
        title="Lifelines",
        description=_description(kept, scale),
        ticks=scale.ticks,
        now=f"as of {day(at)}" if is_past else "now",
        now_x=scale.x(at),
        bands=tuple(_band(one, scale) for one in life.stretches[-BANDS_MAX:]),
        lanes=tuple(drawn),
        tones=_tones(drawn),
        shapes=_shapes(drawn),
        left_out=tuple(left_out),
    )


def _are(count: int) -> str:
    return "is left out" if count == 1 else "are left out"


def _unsegmented(lanes: Iterable[Lane]) -> tuple[str, int]:
    count = sum(max(0, len(lane.stays) - SEGMENTS_MAX) for lane in lanes)
    return counted(count, "older state"), count


def _unmarked(lanes: Iterable[Lane]) -> tuple[str, int]:
    count = sum(max(0, len(lane.marks) - MARKS_MAX) for lane in lanes)
    return counted(count, "older mark"), count


def _last(lanes: Sequence[Lane], lanes_max: int) -> list[Lane]:
    """Return the lanes that moved last, in their order."""
    newest = sorted(range(len(lanes)), key=lambda place: (lanes[place].moved_at, -place))
    return [lanes[place] for place in sorted(newest[-lanes_max:])]


def _description(lanes: Sequence[Lane], scale: Axis) -> str:
    counts = Counter(GROUPS[lane.kind].lower() for lane in lanes)
    what = ", ".join(f"{count} of {group}" for group, count in counts.items())
    return f"{day(scale.begin)} to {day(scale.end)} (UTC); lanes: {what or 'none'}"


def _drawn(lane: Lane, scale: Axis, heading: str | None) -> DrawnLane:
    segments = tuple(_segments(lane, scale))
    bar = BAR_Y + BAR_HEIGHT + BAR_Y if segments else 0
    rail = bar + RAIL_HEIGHT // 2 if lane.marks or not segments else None
    return DrawnLane(
        kind=lane.kind,
        id=lane.id,
        heading=heading,
        title=label(lane.title, _TITLE_CHARS_MAX),
        word=worded(lane.status) if lane.stays else "",
        tone=tone_of(lane.kind, lane.status),
        notes=lane.notes,
        height=bar + (RAIL_HEIGHT if rail is not None else 0),
        rail_y=rail,
        lead_in=_lead_in(segments) if lane.begins_in_gap else None,
        segments=segments,
        dots=tuple(_dots(lane.marks[-MARKS_MAX:], scale, rail or 0)),
        description=_in_short(lane),
        told=tuple(_told(lane)),
        untold=max(0, len(lane.stays) + len(lane.marks) - TOLD_MAX),
    )


def _lead_in(segments: Sequence[Segment]) -> tuple[float, float] | None:
    if not segments:
        return None
    end = segments[0].x
    begin = max(0.0, end - _LEAD_IN)
    return begin, round(end - begin, 3)


def _segments(lane: Lane, scale: Axis) -> list[Segment]:
    """Lay the states along the bar: each is seen, and none covers another."""
    drawn: list[Segment] = []
    cursor = 0.0
    for together in _together(lane.stays[-SEGMENTS_MAX:], scale):
        x = max(scale.x(together[0].begin), cursor)
        cursor = max(_end(together[-1], scale), x + WIDTH_MIN)
        drawn.append(_segment(lane.kind, together, round(x, 3), round(cursor - x, 3)))
    return drawn


def _end(stay: Stay, scale: Axis) -> float:
    return RIGHT if stay.end is None else scale.x(stay.end)


def _together(stays: Sequence[Stay], scale: Axis) -> list[list[Stay]]:
    """Group the states that follow upon one another too quickly to be drawn one by one.

    Then what is too short takes the space that it lacks from what follows, which has enough of it.
    """
    found: list[list[Stay]] = []

    def is_short(one: Stay, other: Stay) -> bool:
        return _end(other, scale) - scale.x(one.begin) < 2 * WIDTH_MIN

    for stay in stays:
        if found and is_short(stay, stay) and is_short(found[-1][0], found[-1][-1]):
            found[-1].append(stay)
        else:
            found.append([stay])
    return found


def _segment(kind: str, stays: Sequence[Stay], x: float, width: float) -> Segment:
    last = stays[-1]
    word = worded(last.status)
    is_over = last.end is None and last.status in KINDS[kind].machine.final
    height = LINE_HEIGHT if is_over else BAR_HEIGHT
    fits = "never" if is_over or len(stays) > 1 else _fits(word, width)
    return Segment(
        x=x,
        width=width,
        y=BAR_Y + (BAR_HEIGHT - height) // 2,
        height=height,
        tone=tone_of(kind, last.status),
        word=word,
        fits=fits,
        tail=round(END - x - width, 3) if last.end is None and not is_over else None,
        title="; ".join([_spelt(stay) for stay in stays[-_TITLES_MAX:]]),
    )


def _fits(word: str, width: float) -> Fits:
    long = (len(word) + 2) * CHAR_PX
    if long <= width * NARROW_PX / 100:
        return "always"
    return "wide" if long <= width * WIDE_PX / 100 else "never"


def _spelt(stay: Stay) -> str:
    if stay.end is None:
        return f"{worded(stay.status)} since {minute(stay.begin)}"
    return f"{worded(stay.status)} from {minute(stay.begin)} to {minute(stay.end)}"


def _dots(marks: Sequence[Mark], scale: Axis, y: int) -> list[Dot]:
    """Lay the marks along the rail, those of one shape that are near to each other as one."""
    groups: list[list[Mark]] = []
    last_of: dict[Shape, list[Mark]] = {}
    for mark in marks:
        near = last_of.get(mark.shape)
        if near is not None and scale.x(mark.at) - scale.x(near[0].at) < APART_MIN:
            near.append(mark)
        else:
            last_of[mark.shape] = [mark]
            groups.append(last_of[mark.shape])
    return [_dot(group, scale, y) for group in groups]


def _dot(marks: Sequence[Mark], scale: Axis, y: int) -> Dot:
    ends = [scale.x(mark.until) for mark in marks if mark.until is not None]
    texts = [f"{mark.text}, {minute(mark.at)}" for mark in marks[:_TITLES_MAX]]
    head = f"{len(marks)} times, beginning with " if len(marks) > 1 else ""
    return Dot(
        x=scale.x(marks[0].at),
        y=y,
        shape=marks[0].shape,
        times=len(marks),
        reach=max(ends, default=None),
        title=head + "; ".join(texts) + ("; …" if len(marks) > len(texts) else ""),
    )


def _in_short(lane: Lane) -> str:
    """Tell a lane in a sentence, for who does not see it."""
    parts = [_spelt(stay) for stay in lane.stays[-_TITLES_MAX:]]
    if len(lane.stays) > len(parts):
        parts.insert(0, counted(len(lane.stays) - len(parts), "earlier state"))
    counts = Counter(mark.shape for mark in lane.marks)
    parts += [f"{SHAPES[shape]}: {count}" for shape, count in counts.items()]
    return "; ".join([*parts, *lane.notes])


def _told(lane: Lane) -> list[Told]:
    """Tell the last states and marks in words; both are in order of time."""
    stays = [
        Told(worded(stay.status), stay.begin, stay.end, lane.kind, lane.id)
        for stay in lane.stays[-TOLD_MAX:]
    ]
    marks = [
        Told(mark.text, mark.at, mark.at, mark.kind, mark.id) for mark in lane.marks[-TOLD_MAX:]
    ]
    return sorted([*stays, *marks], key=lambda told: told.since)[-TOLD_MAX:]


def _band(stretch: Stretch, scale: Axis) -> Band:
    begin, end = scale.x(stretch.occurred_from), scale.x(stretch.occurred_to)
    facts = counted(stretch.facts, "fact")
    order = ", out of order" if stretch.out_of_order else ""
    title = f"{facts} recorded afterwards, {minute(stretch.recorded_from)}{order}"
    return Band(begin, round(max(end - begin, WIDTH_MIN), 3), title)


def _tones(lanes: Iterable[DrawnLane]) -> tuple[tuple[str, str], ...]:
    """Return the tones that are drawn, each with the words of the states that are drawn in it."""
    words: dict[str, dict[str, None]] = {tone: {} for tone in MEANINGS}
    for lane in lanes:
        for segment in lane.segments:
            words[segment.tone][segment.word] = None
    return tuple((tone, listed([*said], 6)) for tone, said in words.items() if said)


def _shapes(lanes: Iterable[DrawnLane]) -> tuple[tuple[Shape, str], ...]:
    drawn = {dot.shape for lane in lanes for dot in lane.dots}
    return tuple((shape, told) for shape, told in SHAPES.items() if shape in drawn)
