"""The state machine's parser: a table is read as it stands, or refused where it contradicts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from domain.state_machine import Judgement, Machine, Standing, Step, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

GRID = """
        open    close
(none)  opened  closed?
opened  =       closed
closed  ✗       =
"""


@dataclass(frozen=True)
class Table:
    """A door's table as somebody would write it; a test changes one thing in it."""

    states: tuple[str, ...] = ("opened", "closed")
    events: tuple[str, ...] = ("open", "close")
    ranks: Mapping[str, int] = field(default_factory=lambda: {"open": 0, "close": 1})
    grid: str = GRID
    final: frozenset[str] = frozenset()
    observed_first: frozenset[str] = frozenset()
    unannounced: Mapping[str, str] = field(default_factory=dict)
    stages: tuple[str, ...] = ()

    def read(self) -> Machine:
        """Hand the table to the parser."""
        return Machine(
            kind="door",
            states=dict.fromkeys(self.states, "A state."),
            events=dict.fromkeys(self.events, "An event."),
            ranks=self.ranks,
            grid=self.grid,
            final=self.final,
            observed_first=self.observed_first,
            unannounced=self.unannounced,
            stages=self.stages,
        )


DOOR = Table()
CONTRADICTIONS = {
    "an event without a column": replace(DOOR, events=("open", "close", "lock")),
    "a column without an event": replace(DOOR, events=("open",), ranks={"open": 0}),
    "an event without a rank": replace(DOOR, ranks={"open": 0}),
    "a rank without an event": replace(DOOR, ranks={"open": 0, "close": 1, "lock": 2}),
    "a state without a row": replace(DOOR, states=("opened", "closed", "locked")),
    "a row without a state": replace(DOOR, states=("closed",)),
    "no row for nothing": replace(DOOR, grid=GRID.replace("(none)", "nothing")),
    "two rows of a state": replace(DOOR, grid=GRID + "closed  opened  ="),
    "two columns of an event": replace(
        DOOR,
        grid="""
        open    close    open
(none)  opened  closed?  closed
opened  =       closed   closed
closed  ✗       =        opened
""",
    ),
    "a row that is too short": replace(DOOR, grid=GRID.replace("=       closed", "=")),
    "a row that is too long": replace(DOOR, grid=GRID.replace("=       closed", "= closed =")),
    "a cell that names no state": replace(DOOR, grid=GRID.replace("closed?", "shut?")),
    "a cell that names its own state": replace(
        DOOR, grid=GRID.replace("=       closed", "opened =")
    ),
    "a cell that asks only": replace(DOOR, grid=GRID.replace("closed?", "?")),
    "a refusal that is a gap": replace(DOOR, grid=GRID.replace("closed?", "✗?")),
    "a gap after a state": replace(DOOR, grid=GRID.replace("=       closed", "=       closed?")),
    "an anomaly after a state that is not final": replace(DOOR, grid=GRID.replace("✗", "opened!")),
    "an anomaly that claims no state": replace(
        DOOR, grid=GRID.replace("✗", "shut!"), final=frozenset({"closed"})
    ),
    "an anomaly that claims its own state": replace(
        DOOR, grid=GRID.replace("✗", "closed!"), final=frozenset({"closed"})
    ),
    "an unannounced word that is no event": replace(DOOR, unannounced={"lock": "alone"}),
    "a final state that is none": replace(DOOR, final=frozenset({"locked"})),
    "a state that is observed first only": replace(DOOR, observed_first=frozenset({"opened"})),
}


@pytest.mark.parametrize("table", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_a_table_that_contradicts_itself_is_refused(table: Table) -> None:
    with pytest.raises(ValueError, match=r"door|zip"):
        table.read()


@pytest.mark.parametrize(
    ("state", "word", "expected"),
    [
        (None, "open", Judgement(Verdict.APPLIED, "opened", gap=False)),
        (None, "close", Judgement(Verdict.APPLIED, "closed", gap=True)),
        ("opened", "open", Judgement(Verdict.UNCHANGED, "opened", gap=False)),
        ("opened", "close", Judgement(Verdict.APPLIED, "closed", gap=False)),
        ("closed", "open", Judgement(Verdict.REFUSED, "closed", gap=False)),
        ("closed", "close", Judgement(Verdict.UNCHANGED, "closed", gap=False)),
    ],
)
def test_every_cell_is_read_as_it_stands(state: str | None, word: str, expected: Judgement) -> None:
    assert DOOR.read().judge(state, word) == expected


def test_columns_may_stand_in_any_order() -> None:
    mirrored = """
        close   open
(none)  closed? opened
closed  =       ✗
opened  closed  =
"""
    assert replace(DOOR, grid=mirrored).read().cells == DOOR.read().cells


def test_words_and_types_are_listed_lowest_rank_first() -> None:
    door = replace(DOOR, ranks={"open": 7, "close": 3}).read()
    assert door.words == ("close", "open")
    assert door.types == ("door.close", "door.open")


def test_a_refusal_tells_the_event_and_the_state() -> None:
    step = DOOR.read().step(Standing("closed"), "open", None)
    reason = "door.open is not a valid transition from closed"
    assert step == Step(Verdict.REFUSED, Standing("closed"), gap=False, reason=reason)


def test_a_stage_means_nothing_to_a_machine_without_stages() -> None:
    step = DOOR.read().step(Standing("opened"), "close", "pre_dispute")
    assert step == Step(Verdict.APPLIED, Standing("closed"), gap=False, reason=None)


def test_a_refusal_by_stage_tells_both_stages() -> None:
    door = replace(DOOR, stages=("first", "second")).read()
    step = door.step(Standing("opened", "second"), "close", "first")
    reason = "stage first is earlier than second, where the door stands"
    assert step == Step(Verdict.REFUSED, Standing("opened", "second"), gap=False, reason=reason)


def test_an_observation_runs_ahead_over_several_steps_but_not_out_of_a_final_state() -> None:
    grid = """
           book    leave    land     scrap
(none)     booked  ✗        ✗        ✗
booked     =       flying   ✗        ✗
flying     ✗       =        landed   ✗
landed     booked  ✗        =        scrapped
scrapped   ✗       ✗        ✗        =
"""
    plane = replace(
        DOOR,
        states=("booked", "flying", "landed", "scrapped"),
        events=("book", "leave", "land", "scrap"),
        ranks={"book": 0, "leave": 1, "land": 2, "scrap": 3},
        grid=grid,
        observed_first=frozenset({"rumoured"}),
    )
    free, ending = plane.read(), replace(plane, final=frozenset({"landed"})).read()
    assert free.reaches("booked", "scrapped")
    assert not free.reaches("scrapped", "booked")
    assert ending.reaches("booked", "landed")
    assert not ending.reaches("booked", "scrapped")
    assert not ending.reaches("landed", "booked")
    assert free.reaches(None, "rumoured")
    assert not free.reaches("booked", "rumoured")
