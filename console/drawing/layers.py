"""A layered layout, left to right: which box stands where, and how the arrows go between them.

It is Sugiyama's: columns, then places for the long arrows to pass, then an order with few
crossings, then coordinates. Everything follows from the order in which boxes and arrows are given.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

BOX_WIDTH: Final = 128.0
BOX_HEIGHT_MIN: Final = 40.0
PORT_GAP: Final = 11.0
ROW_GAP: Final = 30.0
PASS_HEIGHT: Final = 8.0
_SWEEPS: Final = 8
_BULGE: Final = 20.0
_BETWEEN: Final = 16.0
"""How far apart the arrows are that go straight up or down between two boxes."""


class Arrow(NamedTuple):
    """From one box to another."""

    origin: str
    to: str


class Box(NamedTuple):
    """A rectangle, by its upper left corner."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """The height of its middle."""
        return self.y + self.height / 2


class Point(NamedTuple):
    """A place on the drawing."""

    x: float
    y: float


class Curve(NamedTuple):
    """A Bézier curve of the third degree."""

    begin: Point
    first: Point
    second: Point
    end: Point

    def at(self, share: float) -> Point:
        """Return the point at a share of the way."""
        one, other = share, 1 - share
        weights = (other**3, 3 * other**2 * one, 3 * other * one**2, one**3)
        x = sum(weight * point.x for weight, point in zip(weights, self, strict=True))
        y = sum(weight * point.y for weight, point in zip(weights, self, strict=True))
        return Point(x, y)


class Layout(NamedTuple):
    """Where each box is, and the curves of each arrow, one after the other."""

    boxes: Mapping[str, Box]
    routes: Mapping[Arrow, tuple[Curve, ...]]
    width: float
    height: float


class _Cell(NamedTuple):
    """A place in a column: of a box, or of an arrow that passes."""

    box: str
    passing: Arrow | None = None


def layout(
    columns: Sequence[Sequence[str]], arrows: Sequence[Arrow], gaps: Sequence[float]
) -> Layout:
    """Lay out boxes that stand in columns with gaps between; no arrow leads to its own origin."""
    column_of = {name: number for number, names in enumerate(columns) for name in names}
    chains = {arrow: _chain(arrow, column_of) for arrow in arrows}
    cells = _ordered(_with_passes(columns, chains), chains)
    boxes = _placed(cells, chains, column_of, gaps)
    ports = _ports(boxes, chains, column_of, cells)
    routes = {
        arrow: tuple(_route(arrow, chain, boxes, ports, column_of))
        for arrow, chain in chains.items()
    }
    height = max((box.y + box.height for box in boxes.values()), default=0.0)
    width = len(columns) * BOX_WIDTH + sum(gaps)
    named = {cell.box: box for cell, box in boxes.items() if cell.passing is None}
    return Layout(named, routes, width, height)


def _chain(arrow: Arrow, column_of: Mapping[str, int]) -> tuple[_Cell, ...]:
    """Return the cells that an arrow leads through, a column each."""
    begin, end = column_of[arrow.origin], column_of[arrow.to]
    step = 1 if end >= begin else -1
    passes = [_Cell(str(column), arrow) for column in range(begin + step, end, step)]
    return (_Cell(arrow.origin), *passes, _Cell(arrow.to))


def _with_passes(
    columns: Sequence[Sequence[str]], chains: Mapping[Arrow, Sequence[_Cell]]
) -> list[list[_Cell]]:
    cells = [[_Cell(name) for name in names] for names in columns]
    for chain in chains.values():
        for cell in chain[1:-1]:
            cells[int(cell.box)].append(cell)
    return cells


def _ordered(
    cells: list[list[_Cell]], chains: Mapping[Arrow, Sequence[_Cell]]
) -> list[list[_Cell]]:
    """Order the cells of each column by where their neighbours are; keep the best of all sweeps."""
    neighbours: dict[_Cell, list[_Cell]] = defaultdict(list)
    for chain in chains.values():
        for one, other in pairwise(chain):
            neighbours[one].append(other)
            neighbours[other].append(one)
    best, fewest = cells, _crossings(cells, chains)
    for sweep in range(_SWEEPS):
        cells = [[*column] for column in cells]
        numbers = range(1, len(cells)) if sweep % 2 == 0 else range(len(cells) - 2, -1, -1)
        for number in numbers:
            beside = cells[number - 1] if sweep % 2 == 0 else cells[number + 1]
            cells[number] = _by_neighbours(cells[number], beside, neighbours)
        crossings = _crossings(cells, chains)
        if crossings < fewest:
            best, fewest = cells, crossings
    return best


def _by_neighbours(
    column: Sequence[_Cell], beside: Sequence[_Cell], neighbours: Mapping[_Cell, Sequence[_Cell]]
) -> list[_Cell]:
    place = {cell: (number + 0.5) / len(beside) for number, cell in enumerate(beside)}

    def wanted(number: int) -> tuple[float, int]:
        places = [place[cell] for cell in neighbours.get(column[number], ()) if cell in place]
        own = (number + 0.5) / len(column)
        return (sum(places) / len(places) if places else own), number

    return [column[number] for number in sorted(range(len(column)), key=wanted)]


def _crossings(cells: Sequence[Sequence[_Cell]], chains: Mapping[Arrow, Sequence[_Cell]]) -> int:
    place = {cell: (c, r) for c, column in enumerate(cells) for r, cell in enumerate(column)}
    spans: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for chain in chains.values():
        for one, other in pairwise(chain):
            (left, row), (right, other_row) = sorted((place[one], place[other]))
            if left != right:
                spans[left].append((row, other_row))
    return sum(
        (one[0] - other[0]) * (one[1] - other[1]) < 0
        for lines in spans.values()
        for number, one in enumerate(lines)
        for other in lines[:number]
    )


def _placed(
    cells: Sequence[Sequence[_Cell]],
    chains: Mapping[Arrow, Sequence[_Cell]],
    column_of: Mapping[str, int],
    gaps: Sequence[float],
) -> dict[_Cell, Box]:
    """Give each cell its rectangle: high enough for its arrows, the columns on one middle line."""
    sides: dict[_Cell, list[int]] = defaultdict(lambda: [0, 0])
    for chain in chains.values():
        for cell, towards in ((chain[0], chain[1]), (chain[-1], chain[-2])):
            own, other = column_of[cell.box], _column(towards, column_of)
            sides[cell][0 if other < own else 1] += 1

    def height(cell: _Cell) -> float:
        if cell.passing is not None:
            return PASS_HEIGHT
        return max(BOX_HEIGHT_MIN, (max(sides[cell]) + 1) * PORT_GAP)

    heights = [sum(map(height, column)) + ROW_GAP * (len(column) - 1) for column in cells]
    boxes: dict[_Cell, Box] = {}
    for number, column in enumerate(cells):
        y = (max(heights) - heights[number]) / 2
        x = number * BOX_WIDTH + sum(gaps[:number])
        for cell in column:
            boxes[cell] = Box(x, y, BOX_WIDTH, height(cell))
            y += height(cell) + ROW_GAP
    return boxes


def _column(cell: _Cell, column_of: Mapping[str, int]) -> int:
    return int(cell.box) if cell.passing is not None else column_of[cell.box]


def _are_neighbours(arrow: Arrow, cells: Sequence[Sequence[_Cell]]) -> bool:
    """Tell whether nothing stands between two boxes of one column."""
    ends = {_Cell(arrow.origin), _Cell(arrow.to)}
    return any({one, other} == ends for column in cells for one, other in pairwise(column))


def _ports(
    boxes: Mapping[_Cell, Box],
    chains: Mapping[Arrow, Sequence[_Cell]],
    column_of: Mapping[str, int],
    cells: Sequence[Sequence[_Cell]],
) -> dict[tuple[Arrow, str], Point]:
    """Give each end of each arrow its own point on the edge of its box."""
    wanted: dict[tuple[str, int], list[tuple[float, int, Arrow]]] = defaultdict(list)
    ports: dict[tuple[Arrow, str], Point] = {}
    for number, (arrow, chain) in enumerate(chains.items()):
        if column_of[arrow.origin] == column_of[arrow.to] and _are_neighbours(arrow, cells):
            ports |= _straight(arrow, boxes)
            continue
        for cell, towards in ((chain[0], chain[1]), (chain[-1], chain[-2])):
            side = -1 if _column(towards, column_of) < column_of[cell.box] else 1
            wanted[cell.box, side].append((boxes[towards].middle, number, arrow))
    for (name, side), ends in wanted.items():
        box = boxes[_Cell(name)]
        x = box.x if side < 0 else box.x + box.width
        for place, (_, _, arrow) in enumerate(sorted(ends), start=1):
            ports[arrow, name] = Point(x, box.y + box.height * place / (len(ends) + 1))
    return ports


def _straight(arrow: Arrow, boxes: Mapping[_Cell, Box]) -> dict[tuple[Arrow, str], Point]:
    """Return the ends of an arrow that goes straight down, or up beside the one that goes down."""
    origin, to = boxes[_Cell(arrow.origin)], boxes[_Cell(arrow.to)]
    down = origin.y < to.y
    x = origin.x + origin.width / 2 + (-_BETWEEN / 2 if down else _BETWEEN / 2)
    ends = (origin.y + origin.height, to.y) if down else (origin.y, to.y + to.height)
    return {(arrow, arrow.origin): Point(x, ends[0]), (arrow, arrow.to): Point(x, ends[1])}


def _route(
    arrow: Arrow,
    chain: Sequence[_Cell],
    boxes: Mapping[_Cell, Box],
    ports: Mapping[tuple[Arrow, str], Point],
    column_of: Mapping[str, int],
) -> Iterator[Curve]:
    begin, end = ports[arrow, arrow.origin], ports[arrow, arrow.to]
    if column_of[arrow.origin] == column_of[arrow.to]:
        box = boxes[_Cell(arrow.origin)]
        is_straight = begin.x < box.x + box.width
        yield Curve(begin, begin, end, end) if is_straight else _around(begin, end)
        return
    at = begin
    for cell in chain[1:-1]:
        box = boxes[cell]
        near, far = Point(box.x, box.middle), Point(box.x + box.width, box.middle)
        entered, left = (near, far) if near.x >= at.x else (far, near)
        yield _across(at, entered)
        yield Curve(entered, entered, left, left)
        at = left
    yield _across(at, end)


def _across(begin: Point, end: Point) -> Curve:
    middle = (begin.x + end.x) / 2
    return Curve(begin, Point(middle, begin.y), Point(middle, end.y), end)


def _around(begin: Point, end: Point) -> Curve:
    """Bend an arrow within one column around what is between its ends."""
    far = begin.x + _BULGE + abs(end.y - begin.y) / 8
    return Curve(begin, Point(far, begin.y), Point(far, end.y), end)
