"""A picture of a state machine, with the way that one object has gone through it.

All coordinates are units of the picture's view box, in which text of 12 is written.
"""

from __future__ import annotations

from collections import defaultdict
from math import hypot
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from console.drawing.columns import Move, columns, transitions
from console.drawing.labels import Label, counted, label, listed, worded
from console.drawing.layers import BOX_WIDTH, Arrow, Box, Curve, Point, layout
from console.drawing.way import By, Step, Way, way_of
from console.tones import tone_of
from domain.aggregates.catalogue import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from domain.entity import Entity
    from domain.state_machine import Machine
    from domain.timeline import Entry

MARGIN: Final = 12.0
TOP: Final = 34.0
"""Above the boxes, for what they are entered by."""
COLUMN_GAP: Final = 84.0
LABELLED_GAP: Final = 164.0
_NAME_CHARS_MAX: Final = 16
_LABEL_CHARS_MAX: Final = 19
_NUMBERS_MAX: Final = 3
STEPS_MAX: Final = 50
"""So many of a way's steps, the last ones, are told in words."""
OTHERS_MAX: Final = 4
"""So many states that the machine does not know are drawn."""
_HEAD: Final = 7.0


class Begin(NamedTuple):
    """By which facts a state is entered from nothing, and the numbers of the steps that did so."""

    words: list[str]
    numbers: str


class Entered(NamedTuple):
    """How a state is entered from nothing: from a dot above its box, hollow where that is a gap."""

    x: float
    y: float
    to_y: float
    is_gap: bool
    numbers: str
    title: str


class State(NamedTuple):
    """A state in its box, with what there is to be noted of the object in it."""

    name: str
    label: Label
    box: Box
    tone: str
    is_final: bool
    is_known: bool
    is_current: bool
    note: str
    refused: int
    entered: Entered | None
    title: str


class Transition(NamedTuple):
    """An arrow: `path` and `head` as SVG has them, and the numbers of the steps that took it."""

    origin: str
    to: str
    path: str
    head: str
    by: By
    numbers: str
    badge: Point
    label: Label | None
    label_at: Point
    label_anchor: Literal["start", "end"]
    title: str


class MachinePicture(NamedTuple):
    """A machine's picture, `steps` being the last of the way; `earlier` are not told."""

    key: str
    title: str
    description: str
    width: float
    height: float
    states: tuple[State, ...]
    transitions: tuple[Transition, ...]
    notes: tuple[str, ...]
    steps: tuple[Step, ...]
    earlier: int


def machine_picture(
    kind: str, entity: Entity | None = None, entries: Iterable[Entry] = (), key: str = "machine"
) -> MachinePicture:
    """Draw the machine of a kind, and the way of an object where one is given with its timeline.

    Of the timeline, what is not about the object itself is passed over.

    Raises:
        KeyError: there is no such kind.
    """
    machine = KINDS[kind].machine
    way = way_of(machine, _own(kind, entity, entries))
    others = _others(machine, entity, way)
    found = transitions(machine)
    placed = columns(machine, found, others)
    drawn = {state: None for names in placed for state in names}
    words = {pair: said for pair, said in found.items() if pair[0] is not None}
    taken = _taken(way, drawn)
    arrows = [Arrow(origin, to) for origin, to in dict.fromkeys([*words, *taken]) if origin]
    labels = {arrow: _label(arrow, words.get(arrow, [])) for arrow in arrows}
    moving = [arrow for arrow in arrows if arrow.origin != arrow.to]
    laid = layout(placed, moving, _gaps(placed, labels))
    pictured = [
        _transition(arrow, laid.routes[arrow], words.get(arrow, []), taken.get(arrow, []), labels)
        for arrow in laid.routes
    ]
    begins = {
        name: Begin(found.get((None, name), []), _numbers(taken.get((None, name), [])))
        for name in drawn
    }
    states = [_state(machine, name, laid.boxes[name], entity, way, begins[name]) for name in drawn]
    far = max(_far(laid.routes.values()), laid.width)
    return MachinePicture(
        key=key,
        title=f"State machine of a {worded(kind)}",
        description=_description(machine, entity, way),
        width=round(far + 2 * MARGIN, 1),
        height=round(laid.height + TOP + MARGIN, 1),
        states=tuple(states),
        transitions=tuple(pictured),
        notes=tuple(_notes(machine)),
        steps=way.steps[-STEPS_MAX:],
        earlier=max(0, len(way.steps) - STEPS_MAX),
    )


def _own(kind: str, entity: Entity | None, entries: Iterable[Entry]) -> Iterable[Entry]:
    if entity is None:
        return ()
    own_id = getattr(entity, KINDS[kind].id_field)
    return [entry for entry in entries if (entry.kind, entry.id) == (kind, own_id)]


def _others(machine: Machine, entity: Entity | None, way: Way) -> list[str]:
    """Return the states that the object was in and the machine does not know, the last ones."""
    seen = [state for step in way.steps for state in (step.origin, step.to)]
    seen += [entity.folded_status, entity.status] if entity is not None else []
    others = dict.fromkeys(state for state in seen if state and state not in machine.states)
    return [*others][-OTHERS_MAX:]


def _taken(way: Way, drawn: Mapping[str, None]) -> dict[Move, list[Step]]:
    """Return the steps of each transition, as far as its states are drawn."""
    found: dict[Move, list[Step]] = defaultdict(list)
    for step in way.steps:
        if step.to in drawn and (step.origin is None or step.origin in drawn):
            found[step.origin, step.to].append(step)
    return found


def _gaps(placed: Sequence[Sequence[str]], labels: Mapping[Arrow, Label | None]) -> list[float]:
    """Return the gaps between the columns: wider beside a box from which a labelled arrow goes."""
    wide = set()
    for number, names in enumerate(placed):
        for arrow, written in labels.items():
            if written is not None and arrow.origin in names:
                leads_back = any(arrow.to in before for before in placed[:number])
                wide.add(number - 1 if leads_back else number)
    return [LABELLED_GAP if number in wide else COLUMN_GAP for number in range(len(placed) - 1)]


def _label(arrow: Arrow, words: Sequence[str]) -> Label | None:
    """Return what is written at an arrow: its facts that are not named as the state after them."""
    others = [worded(word) for word in words if word != arrow.to]
    if not others:
        return None
    also = "+ " if len(others) < len(words) else ""
    return label(also + ", ".join(others), _LABEL_CHARS_MAX)


def _transition(
    arrow: Arrow,
    route: Sequence[Curve],
    words: Sequence[str],
    steps: Sequence[Step],
    labels: Mapping[Arrow, Label | None],
) -> Transition:
    first, last = _shifted(route[0]), _shifted(route[-1])
    by: By = steps[-1].by if steps and not words else "fact"
    facts = listed([worded(word) for word in words], 6) or "by no fact that the machine takes"
    title = f"{worded(arrow.origin)} → {worded(arrow.to)}: {facts}"
    if steps:
        title = f"{title}; {_times(steps)}"
    written = labels[arrow]
    is_back = first.end.x < first.begin.x
    # A label stands where its arrow begins; then the numbers stand where it ends.
    share = 0.8 if written is not None else 0.68 if is_back else 0.32
    return Transition(
        origin=arrow.origin,
        to=arrow.to,
        path=_path([_shifted(curve) for curve in route]),
        head=_head(last),
        by=by,
        numbers=_numbers(steps),
        badge=_rounded(first.at(share)),
        label=written,
        label_at=Point(first.begin.x + (-5 if is_back else 5), first.begin.y),
        label_anchor="end" if is_back else "start",
        title=title,
    )


def _times(steps: Sequence[Step]) -> str:
    return f"gone as {listed([str(step.number) for step in steps], 10)}"


def _numbers(steps: Sequence[Step]) -> str:
    """Write the numbers of steps: the first ones and the last."""
    numbers = [str(step.number) for step in steps]
    if len(numbers) > _NUMBERS_MAX:
        return f"{', '.join(numbers[: _NUMBERS_MAX - 1])} … {numbers[-1]}"
    return ", ".join(numbers)


def _state(
    machine: Machine,
    name: str,
    box: Box,
    entity: Entity | None,
    way: Way,
    begin: Begin,
) -> State:
    placed = Box(
        round(box.x + MARGIN, 1), round(box.y + TOP, 1), round(box.width, 1), round(box.height, 1)
    )
    is_current = entity is not None and entity.status == name
    meaning = machine.states.get(name, "The state machine does not know it.")
    told = f"{worded(name)}: {meaning}"
    return State(
        name=name,
        label=label(worded(name), _NAME_CHARS_MAX),
        box=placed,
        tone=tone_of(machine.kind, name),
        is_final=name in machine.final,
        is_known=name in machine.states,
        is_current=is_current,
        note=_note(name, entity, way),
        refused=way.refused[name],
        entered=_entered(machine, name, placed, begin),
        title=told,
    )


def _note(name: str, entity: Entity | None, way: Way) -> str:
    parts = []
    if entity is not None and entity.status == name:
        parts.append("now")
    elif entity is not None and entity.folded_status == name:
        parts.append("facts say")
    if way.stayed[name]:
        parts.append(f"stayed {way.stayed[name]}×")
    return " · ".join(parts)


def _entered(machine: Machine, name: str, box: Box, begin: Begin) -> Entered | None:
    words = begin.words if machine.events else []
    if not words and not begin.numbers:
        return None
    is_gap = all(machine.judge(None, word).gap for word in words)
    facts = listed([worded(word) for word in words], 6) or "a look"
    gap = "; something before it was never seen" if is_gap and words else ""
    title = f"begins as {worded(name)} by {facts}{gap}"
    return Entered(box.x + 16, box.y - 20, box.y, is_gap, begin.numbers, title)


def _description(machine: Machine, entity: Entity | None, way: Way) -> str:
    """Tell the picture in words, for who does not see it."""
    said = [f"{counted(len(machine.states), 'state')}: {listed([*map(worded, machine.states)], 9)}"]
    if entity is not None:
        gone = [worded(step.to) for step in way.steps[-12:]]
        more = "… → " if len(way.steps) > len(gone) else ""
        said.append(f"the way gone: {more}{' → '.join(gone) or 'none'}")
        said.append(f"it is {worded(entity.status)} now")
    if refused := way.refused.total():
        said.append(f"{counted(refused, 'fact')} refused")
    return "; ".join(said)


def _notes(machine: Machine) -> Iterable[str]:
    if not machine.events:
        yield "No event is about it: what Dodo's API says is followed."
    elif machine.observed_freely:
        yield "The status follows what Dodo's data says, in any direction."
    if machine.unheralded:
        yield f"No event announces {listed([*map(worded, sorted(machine.unheralded))], 6)}."
    if machine.stages:
        stages = " < ".join(map(worded, machine.stages))
        yield f"A later stage begins it anew: {stages}."


def _shifted(curve: Curve) -> Curve:
    return Curve(*(_rounded(Point(point.x + MARGIN, point.y + TOP)) for point in curve))


def _rounded(point: Point) -> Point:
    return Point(round(point.x, 1), round(point.y, 1))


def _far(routes: Iterable[Sequence[Curve]]) -> float:
    """Return how far to the right arrows reach."""
    places = [curve.at(share).x for route in routes for curve in route for share in (0.5, 1.0)]
    return max(places, default=BOX_WIDTH)


def _path(curves: Sequence[Curve]) -> str:
    begin = curves[0].begin
    parts = [f"M{begin.x:g},{begin.y:g}"]
    parts += [
        f"C{one.first.x:g},{one.first.y:g} {one.second.x:g},{one.second.y:g}"
        f" {one.end.x:g},{one.end.y:g}"
        for one in curves
    ]
    return "".join(parts)


def _head(curve: Curve) -> str:
    """Return the triangle at the end of an arrow."""
    end = curve.end
    before = curve.second if curve.second != end else curve.first
    long = hypot(end.x - before.x, end.y - before.y) or 1.0
    x, y = (end.x - before.x) / long, (end.y - before.y) / long
    back = Point(end.x - _HEAD * x, end.y - _HEAD * y)
    half = _HEAD / 2
    corners = (
        end,
        Point(back.x - half * y, back.y + half * x),
        Point(back.x + half * y, back.y - half * x),
    )
    return " ".join(f"{corner.x:.1f},{corner.y:.1f}" for corner in corners)
