"""The grid that an aggregate declares, as data, and the only code that reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NOTHING: Final = "(none)"
"""How a grid spells the state of a thing of which no fact has been applied yet."""
KEEPS: Final = "="
"""How a grid spells a valid transition that does not change the state."""
REFUSES: Final = "✗"
"""How a grid spells a transition that is not valid."""
GAP: Final = "?"
"""Behind a cell: valid from nothing, but a predecessor must exist that was never seen."""
ANOMALOUS: Final = "!"
"""Behind a cell of a final state: no valid transition, but the status follows it where the fact's
own data bears it out."""


class Verdict(StrEnum):
    """What the state machine says of a fact."""

    APPLIED = "applied"  # it moved the state
    UNCHANGED = "unchanged"  # valid, and the state is as it was
    REFUSED = "refused"  # not a valid transition: the state is kept
    ANOMALY = "anomaly"  # neither, but its own data bears it out: the status follows that

    @property
    def is_valid(self) -> bool:
        """Whether the fact is a valid transition."""
        return self is Verdict.APPLIED or self is Verdict.UNCHANGED


class Judgement(NamedTuple):
    """The verdict on one fact; `to` is the state after it, whatever the verdict.

    `claims` is the state that an anomaly claims. A fact whose own data does not bear that out is
    refused instead.
    """

    verdict: Verdict
    to: str | None
    gap: bool
    claims: str | None = None


class Standing(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where a machine stands. Only disputes have stages."""

    status: str | None = None
    stage: str | None = None


class Step(NamedTuple):
    """A judgement together with where the machine stands after it and, when not valid, why.

    `led` is where an anomaly leads, from which the status may follow observations.
    """

    verdict: Verdict
    to: Standing
    gap: bool
    reason: str | None
    led: Standing | None = None


@dataclass(frozen=True)
class Machine:
    """One state machine, declared as data.

    `ranks` order the events that share a timestamp, lowest first; where they are equal, the
    webhook-ids decide. Timelines store them, so a rank that exists never changes; they are spaced,
    so that a new one goes between any two. `grid` has a row a state and a column an event; a cell
    is a state, `=`, `✗`, each with `?` where it is a gap, or a state with `!` where it is an
    anomaly. `final` states are left by a fact only, never by an observation alone. `observed_first`
    are statuses without an event, to be observed only before any fact has been applied.
    `unannounced` names, for an event, the field of a fact's data that says by `true` that nothing
    came before it: that is no gap. `at_once` names, for an event, another one that has happened
    with it where an instant of a fact's data, in the field that is named, is not after the fact.
    `unheralded` are states that no event announces: seeing one is no sign of a webhook that is
    missing. `observed_freely` lets the status follow an observation in any direction. `stages`, in
    order: a fact of a later stage than the current one opens the grid anew. A machine without
    events has no grid: looks alone move it.

    Raises:
        ValueError: the grid, the ranks and the names contradict one another.
    """

    kind: str
    states: Mapping[str, str]
    events: Mapping[str, str]
    ranks: Mapping[str, int]
    grid: str = ""
    final: frozenset[str] = frozenset()
    observed_first: frozenset[str] = frozenset()
    unannounced: Mapping[str, str] = field(default_factory=dict)
    at_once: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    unheralded: frozenset[str] = frozenset()
    observed_freely: bool = False
    stages: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.final <= set(self.states) or self.observed_first & set(self.states):
            raise ValueError(f"{self.kind}: the states, the final ones and others differ")
        if not set(self.unannounced) <= set(self.events):
            raise ValueError(f"{self.kind}: what is unannounced is no event")
        together = {*self.at_once, *(word for word, _ in self.at_once.values())}
        if not together <= set(self.events) or not self.unheralded <= set(self.states):
            raise ValueError(f"{self.kind}: what happens at once is no event, or a state is none")
        if sorted(self.ranks) != sorted(self.events):
            raise ValueError(f"{self.kind}: the ranks and the events differ")
        _ = self.cells  # so that a grid that contradicts the names is refused at once

    @cached_property
    def cells(self) -> Mapping[tuple[str | None, str], Judgement]:
        """The judgement on each event in each state; the state None is of a thing without facts."""
        return dict(self._read_grid())

    @cached_property
    def _valid_steps(self) -> dict[tuple[Standing, str, str | None], Step]:
        """The steps to valid transitions that were asked for; their keys are few."""
        return {}

    @cached_property
    def _reachable(self) -> Mapping[str | None, frozenset[str]]:
        return {origin: self._reach_from(origin) for origin in (None, *self.states)}

    @property
    def words(self) -> tuple[str, ...]:
        """The events, lowest rank first."""
        return tuple(sorted(self.ranks, key=self.ranks.__getitem__))

    @property
    def types(self) -> tuple[str, ...]:
        """The events as Dodo spells them on the wire, lowest rank first."""
        return tuple(f"{self.kind}.{word}" for word in self.words)

    def judge(self, state: str | None, word: str) -> Judgement:
        """Look one cell of the grid up."""
        return self.cells[state, word]

    def names_state(self, word: str) -> bool:
        """Tell whether an event says in which state a thing is."""
        return self.cells[None, word].to is not None

    def is_unannounced(self, word: str, payload: object) -> bool:
        """Tell whether a fact's payload says that nothing came before it."""
        return word in self.unannounced and getattr(payload, self.unannounced[word]) is True

    def step(
        self, standing: Standing, word: str, stage: str | None, observed: str | None = None
    ) -> Step:
        """Judge a fact that says `word`, of a thing that its data places in `stage`.

        An unknown or missing stage counts as the current one (docs/dodo.md, section 5).
        `observed` is the status that its own data says.
        """
        said = stage if stage in self.stages else standing.stage
        known = self._valid_steps.get((standing, word, said))
        if known is not None:
            return known
        step = self._step(standing, word, said, observed)
        if step.verdict.is_valid:
            # It depends on nothing else, and is the same for all things of the kind.
            self._valid_steps[standing, word, said] = step
        return step

    def _step(self, standing: Standing, word: str, said: str | None, observed: str | None) -> Step:
        if said is not None and standing.stage is not None and said != standing.stage:
            if not self._is_later(said, standing.stage):
                reason = (
                    f"stage {said} is earlier than {standing.stage}, where the {self.kind} stands"
                )
                return Step(Verdict.REFUSED, standing, gap=False, reason=reason)
            reached = self.judge(None, word).to
            return Step(Verdict.APPLIED, Standing(reached, said), gap=False, reason=None)
        verdict, to, gap, claims = self.judge(standing.status, word)
        if verdict.is_valid:
            return Step(verdict, Standing(to, said), gap, None)
        reason = f"{self.kind}.{word} is not a valid transition from {standing.status}"
        if claims is None or not self._bears_out(claims, observed):
            return Step(Verdict.REFUSED, standing, gap, reason)
        followed = f"{reason}, which is final; its own data says {observed}, and the status follows"
        return Step(Verdict.ANOMALY, standing, gap, followed, Standing(claims, standing.stage))

    def _bears_out(self, claimed: str, observed: str | None) -> bool:
        # Data is newer than its fact, so it may say what has come of the claimed state since.
        if observed is None or observed in self.final:
            return observed == claimed
        return self.reaches(claimed, observed)

    def reaches(self, state: str | None, observed: str) -> bool:
        """Tell whether the status may follow an observation ahead of the facts."""
        return observed == state or observed in self._reachable[state]

    def follows(self, standing: Standing, observed: Standing) -> bool:
        """Tell the same as `reaches`, for a thing with a stage."""
        if standing.status is None or observed.status is None:
            return observed.status is not None and self.reaches(standing.status, observed.status)
        if observed.stage in self.stages and standing.stage not in (None, observed.stage):
            may_go_on = standing.status not in self.final and observed.status in self.states
            return may_go_on and self._is_later(observed.stage, standing.stage)
        return self.reaches(standing.status, observed.status)

    def leads(self, standing: Standing, seen: Standing) -> bool:
        """Tell whether facts, be they unknown, lead from where a thing stood to where it was seen.

        It is what `follows` says, and what facts lead to out of a final state: at a later stage,
        to any.
        """
        if self.follows(standing, seen):
            return True
        if self._is_later(seen.stage, standing.stage):
            return seen.status in self.states
        exits = [self.cells[standing.status, word] for word in self.events]
        onward = [to.to for to in exits if to.verdict is Verdict.APPLIED and to.to is not None]
        of_stage = seen.stage == standing.stage and seen.status is not None
        return of_stage and any(self.reaches(state, seen.status or "") for state in onward)

    def _is_later(self, stage: str | None, than: str | None) -> bool:
        """Tell whether a stage comes behind another one; one that is unknown does not."""
        if stage not in self.stages or than not in self.stages:
            return False
        return self.stages.index(stage) > self.stages.index(than)

    def _read_grid(self) -> Iterator[tuple[tuple[str | None, str], Judgement]]:
        if not self.events and not self.grid:
            return
        header, *rows = (line.split() for line in self.grid.strip().splitlines())
        names = sorted(row[0] for row in rows)
        if sorted(header) != sorted(self.events) or names != sorted([NOTHING, *self.states]):
            raise ValueError(f"{self.kind}: the grid, the states and the events differ")
        for name, *cells in rows:
            state = None if name == NOTHING else name
            for word, cell in zip(header, cells, strict=True):
                yield (state, word), self._read_cell(state, cell)

    def _read_cell(self, state: str | None, cell: str) -> Judgement:
        claims = cell.removesuffix(ANOMALOUS)
        if claims != cell:
            if state not in self.final or claims not in self.states or claims == state:
                raise ValueError(f"{self.kind}: a cell of {state or NOTHING} says {cell!r}")
            return Judgement(Verdict.ANOMALY, state, gap=False, claims=claims)
        to, gap = cell.removesuffix(GAP), cell.endswith(GAP)
        if gap and (state is not None or to == REFUSES):
            raise ValueError(f"{self.kind}: a cell of {state or NOTHING} cannot be a gap")
        if to == REFUSES:
            return Judgement(Verdict.REFUSED, state, gap)
        if to == KEEPS:
            return Judgement(Verdict.UNCHANGED, state, gap)
        if to not in self.states or to == state:
            raise ValueError(f"{self.kind}: a cell of {state or NOTHING} says {cell!r}")
        return Judgement(Verdict.APPLIED, to, gap)

    def _reach_from(self, origin: str | None) -> frozenset[str]:
        if self.observed_freely:
            return frozenset(self.states)
        if origin in self.final:
            return frozenset()
        reached: set[str] = set()
        frontier: list[str | None] = [origin]
        while frontier:
            state = frontier.pop()
            onward = {self.cells[state, word].to for word in self.events} - reached - {state, None}
            onward |= self.unheralded - reached - {state}
            reached |= {to for to in onward if to is not None}
            frontier += [to for to in onward if to not in self.final]
        return frozenset(reached | (self.observed_first if origin is None else set()))
