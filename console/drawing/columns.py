"""In which column of its picture each state of a machine stands: where it begins, to its ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from domain.state_machine import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from domain.state_machine import Machine

Move: TypeAlias = "tuple[str | None, str]"
"""From which state to which; None where it begins."""
ROWS_MAX: Final = 3
"""A column of more states, none of which is an end, is parted."""


def transitions(machine: Machine) -> dict[Move, list[str]]:
    """Return all transitions that change the state, each with the words of the facts that do it."""
    found: dict[Move, list[str]] = {}
    for state in (None, *machine.states):
        for word in machine.words:
            judged = machine.judge(state, word)
            if judged.verdict is Verdict.APPLIED and judged.to is not None:
                found.setdefault((state, judged.to), []).append(word)
    return found


def columns(machine: Machine, moves: Iterable[Move], others: Iterable[str] = ()) -> list[list[str]]:
    """Return the states by column, and `others`, which the machine does not know, in the first.

    `moves` are the machine's transitions.
    """
    if not machine.events:
        return [[state] for state in (*machine.states, *others)]
    steps = _steps_to(machine, moves)
    far = max(steps.values())
    within = [
        [state for state in machine.states if steps.get(state, min(1, far + 1)) == number]
        for number in range(max(far, 1) + 1)
    ]
    found: list[list[str]] = []
    for names in within:
        open_ = [state for state in names if state not in machine.final]
        half = (len(open_) + 1) // 2 if len(open_) > ROWS_MAX else len(open_)
        found += [open_[:half], open_[half:]]
    ends = [state for state in machine.states if state in machine.final]
    first, *rest = [names for names in [*found, ends] if names]
    return [[*first, *others], *rest]


def _steps_to(machine: Machine, moves: Iterable[Move]) -> Mapping[str, int]:
    """Return how many steps each state is from the first one, of those that are no ends."""
    onward: dict[str | None, list[str]] = {}
    for origin, to in moves:
        onward.setdefault(origin, []).append(to)
    begins = [to for to in machine.states if to in onward.get(None, ())]
    open_ = [state for state in begins if state not in machine.final]
    first = min(open_ or begins, key=lambda state: _place(machine, state))
    steps, frontier = {first: 0}, [first]
    while frontier:
        state = frontier.pop(0)
        for to in onward.get(state, ()):
            if to not in steps and to not in machine.final:
                steps[to] = steps[state] + 1
                frontier.append(to)
    return steps


def _place(machine: Machine, state: str) -> tuple[bool, int]:
    """Return what a thing begins in first: without a gap, and by the lowest rank."""
    ways = [
        (judged.gap, machine.ranks[word])
        for word in machine.words
        if (judged := machine.judge(None, word)).to == state
    ]
    return min(ways)
