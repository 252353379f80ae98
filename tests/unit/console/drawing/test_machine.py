"""Pictures of state machines: every state and transition once, within the picture, readable."""

from __future__ import annotations

import re
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.drawing.columns import columns, transitions
from console.drawing.layers import BOX_WIDTH, Arrow, Box, Curve, layout
from console.drawing.machine import OTHERS_MAX, STEPS_MAX, MachinePicture, machine_picture
from domain.aggregates.catalogue import KINDS
from domain.delivery import Delivery
from domain.state_machine import Verdict
from tests.support.histories import of_one, said
from tests.support.strategies import lives, recorded

NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def overlap(one: Box, other: Box) -> bool:
    apart_x = one.x + one.width <= other.x or other.x + other.width <= one.x
    return not (apart_x or one.y + one.height <= other.y or other.y + other.height <= one.y)


def check(drawn: MachinePicture) -> None:
    assert len({state.name for state in drawn.states}) == len(drawn.states)
    for one, other in combinations(drawn.states, 2):
        assert not overlap(one.box, other.box), (one.name, other.name)
    for state in drawn.states:
        assert state.box.x >= 0
        assert state.box.y >= 0
        assert state.box.x + state.box.width <= drawn.width
        assert state.box.y + state.box.height <= drawn.height
        if state.entered is not None:
            assert 4 <= state.entered.y < state.entered.to_y == state.box.y
    for transition in drawn.transitions:
        points = [*map(float, NUMBER.findall(f"{transition.path} {transition.head}"))]
        assert all(0 <= x <= drawn.width for x in points[::2])
        assert all(0 <= y <= drawn.height for y in points[1::2])
        assert 0 <= transition.badge.x <= drawn.width


def table(kind: str) -> set[tuple[str | None, str | None]]:
    machine = KINDS[kind].machine
    return {
        (state, judged.to)
        for (state, _), judged in machine.cells.items()
        if judged.verdict is Verdict.APPLIED
    }


@pytest.mark.parametrize("kind", KINDS)
def test_every_state_and_every_transition_of_a_machine_is_drawn_once(kind: str) -> None:
    drawn = machine_picture(kind)
    check(drawn)
    assert sorted(state.name for state in drawn.states) == sorted(KINDS[kind].machine.states)
    moves = [(one.origin, one.to) for one in drawn.transitions]
    begins = [(None, state.name) for state in drawn.states if state.entered is not None]
    assert len({*moves, *begins}) == len(moves) + len(begins)
    assert {*moves, *begins} == table(kind)
    finals = {state.name for state in drawn.states if state.is_final}
    assert finals == KINDS[kind].machine.final
    assert not any(state.is_current or state.refused for state in drawn.states)
    assert drawn.width <= 700, "what is wider is not read without scrolling on a desk"


@pytest.mark.parametrize("kind", KINDS)
def test_no_arrow_goes_through_a_box(kind: str) -> None:
    drawn = machine_picture(kind)
    for transition in drawn.transitions:
        numbers = [*map(float, NUMBER.findall(transition.path))]
        points = [*zip(numbers[::2], numbers[1::2], strict=True)]
        for begin in range(0, len(points) - 1, 3):
            curve = [*points[begin : begin + 4]]
            for step in range(1, 40):
                x, y = bezier(curve, step / 40)
                inside = [
                    state.name
                    for state in drawn.states
                    if state.box.x + 1 < x < state.box.x + state.box.width - 1
                    and state.box.y + 1 < y < state.box.y + state.box.height - 1
                ]
                assert not inside, (transition.origin, transition.to, inside)


def bezier(points: list[tuple[float, float]], share: float) -> tuple[float, float]:
    while len(points) > 1:
        points = [
            (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share)
            for a, b in pairwise(points)
        ]
    return points[0]


@given(lives())
def test_the_way_of_any_life_is_highlighted_and_numbered(arrivals: list[Delivery]) -> None:
    aggregate = recorded(arrivals)
    timeline = aggregate.timeline()
    for known in aggregate.entities():
        kind, entity = known.kind, known.entity
        drawn = machine_picture(kind.name, entity, timeline)
        check(drawn)
        own_id = getattr(entity, kind.id_field)
        own = [one for one in timeline if (one.kind, one.id) == (kind.name, own_id)]
        moved = [one for one in own if one.from_ != one.to]
        assert len(drawn.steps) + drawn.earlier >= len(moved)
        assert [step.number for step in drawn.steps] == [*range(1, len(drawn.steps) + 1)]
        current = [state.name for state in drawn.states if state.is_current]
        assert current == ([entity.status] if entity.status is not None else [])
        refused = sum(one.verdict is Verdict.REFUSED for one in own)
        assert sum(state.refused for state in drawn.states) <= refused
        entered = [state.entered.numbers for state in drawn.states if state.entered is not None]
        taken = [*entered, *(one.numbers for one in drawn.transitions)]
        numbers = {number for one in taken for number in re.findall(r"\d+", one)}
        staying = {str(s.number) for s in drawn.steps if s.origin == s.to}
        if len(drawn.steps) <= 3:
            assert numbers | staying == {str(step.number) for step in drawn.steps}


def test_the_way_counts_what_stayed_and_marks_what_was_refused() -> None:
    told = [
        said("payment.processing", 0, payment_id="pay_1"),
        said("payment.failed", 1, payment_id="pay_1"),
        said("payment.processing", 2, payment_id="pay_1"),
        said("payment.failed", 3, payment_id="pay_1"),
        said("payment.failed", 4, payment_id="pay_1"),
        said("payment.succeeded", 5, payment_id="pay_1"),
        said("payment.failed", 6, payment_id="pay_1"),
    ]
    aggregate = of_one(*told)
    (known,) = aggregate.entities()
    drawn = machine_picture("payment", known.entity, aggregate.timeline())
    states = {state.name: state for state in drawn.states}
    assert states["succeeded"].refused == 1
    assert states["succeeded"].note == "now"
    assert states["failed"].note == "stayed 1×"
    gone = {(one.origin, one.to): one.numbers for one in drawn.transitions if one.numbers}
    assert gone == {
        ("processing", "failed"): "2, 4",
        ("failed", "processing"): "3",
        ("failed", "succeeded"): "5",
    }
    entered = states["processing"].entered
    assert entered is not None
    assert entered.numbers == "1"
    assert drawn.description.endswith(
        "the way gone: processing → failed → processing → failed → succeeded; it is succeeded now;"
        " 1 fact refused"
    )


def test_a_long_way_is_cut_and_says_so() -> None:
    told = [
        said("entitlement_grant.created", 0, id="x"),
        *(said(f"entitlement_grant.{('delivered', 'revoked')[n % 2]}", n + 1, id="x")
          for n in range(100)),
    ]  # fmt: skip
    aggregate = of_one(*told)
    (known,) = aggregate.entities()
    drawn = machine_picture("entitlement_grant", known.entity, aggregate.timeline())
    check(drawn)
    assert (len(drawn.steps), drawn.earlier) == (STEPS_MAX, 101 - STEPS_MAX)
    gone = {(one.origin, one.to): one.numbers for one in drawn.transitions if one.numbers}
    assert gone["delivered", "revoked"] == "3, 5 … 101"


def test_states_that_no_machine_knows_are_drawn_as_such() -> None:
    told = [
        said("payment.processing", 0, payment_id="pay_1", status="processing"),
        said("subscription.updated", 0, subscription_id="sub_1", status="pending"),
    ]
    (known,) = of_one(told[1]).entities()
    drawn = machine_picture("subscription", known.entity, [])
    (state,) = [state for state in drawn.states if not state.is_known]
    assert (state.name, state.is_current) == ("pending", True)
    assert OTHERS_MAX >= 1


def test_each_kind_has_its_columns_from_where_it_begins_to_its_ends() -> None:
    found = {kind.name: columns(kind.machine, transitions(kind.machine)) for kind in KINDS.values()}
    assert found["subscription"] == [
        ["active"],
        ["past_due", "on_hold", "paused"],
        ["failed", "cancelled", "expired"],
    ]
    assert found["payment"] == [["processing"], ["failed"], ["cancelled", "succeeded"]]
    assert found["payout"] == [
        ["not_initiated"],
        ["on_hold", "in_progress"],
        ["failed", "success"],
    ]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[list[str]], list[Arrow]]:
    names = [f"s{number}" for number in range(draw(st.integers(1, 9)))]
    placed: list[list[str]] = [[]]
    for name, begins in ((name, draw(st.booleans())) for name in names):
        if placed[-1] and begins:
            placed.append([])
        placed[-1].append(name)
    pairs = [Arrow(one, other) for one in names for other in names if one != other]
    chosen = [pair for pair in pairs if draw(st.integers(0, 2)) == 0]
    return placed, chosen


@given(graphs())
def test_any_machine_can_be_laid_out(graph: tuple[list[list[str]], list[Arrow]]) -> None:
    placed, arrows = graph
    laid = layout(placed, arrows, [80.0] * (len(placed) - 1))
    assert {*laid.boxes} == {name for names in placed for name in names}
    for one, other in combinations(laid.boxes.values(), 2):
        assert not overlap(one, other)
    assert {*laid.routes} == {*arrows}
    for arrow, curves in laid.routes.items():
        assert touches(laid.boxes[arrow.origin], curves[0].begin)
        assert touches(laid.boxes[arrow.to], curves[-1].end)
        ends: list[Curve] = [*curves]
        assert all(one.end == two.begin for one, two in pairwise(ends))
    ends_at = [(curves[-1].end, "in") for curves in laid.routes.values()]
    ends_at += [(curves[0].begin, "out") for curves in laid.routes.values()]
    assert len({point for point, _ in ends_at}) == len(ends_at), "no two arrows share a place"
    assert all(box.width == BOX_WIDTH for box in laid.boxes.values())
    assert layout(placed, arrows, [80.0] * (len(placed) - 1)) == laid


def touches(box: Box, point: tuple[float, float]) -> bool:
    x, y = point
    at_side = x in {box.x, box.x + box.width} and box.y <= y <= box.y + box.height
    return at_side or (y in {box.y, box.y + box.height} and box.x <= x <= box.x + box.width)
