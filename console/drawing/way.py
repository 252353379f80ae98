"""The way that one object has gone through its state machine, step by step."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from domain.state_machine import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from domain.state_machine import Machine
    from domain.timeline import Entry

By: TypeAlias = Literal["fact", "look", "anomaly"]


class Step(NamedTuple):
    """From one state to another, by a fact, a look, or a fact that is an anomaly; from 1 on.

    `origin` is None where it begins; both are the same where a later stage begins anew.
    """

    number: int
    origin: str | None
    to: str
    by: By
    type: str
    at: datetime | None
    webhook_id: str
    is_gap: bool


class Way(NamedTuple):
    """The steps, and by state how many facts left it as it was, and how many it refused."""

    steps: tuple[Step, ...]
    stayed: Counter[str]
    refused: Counter[str | None]


def way_of(machine: Machine, entries: Iterable[Entry]) -> Way:
    """Read the way out of an object's timeline, in which nothing else stands."""
    steps: list[Step] = []
    stayed: Counter[str] = Counter()
    refused: Counter[str | None] = Counter()
    for entry in entries:
        to = _reached(machine, entry)
        if to is not None:
            steps.append(_step(len(steps) + 1, entry, to))
        elif entry.verdict in (Verdict.REFUSED, Verdict.ANOMALY):
            refused[entry.from_] += 1
        elif entry.to is not None and entry.verdict is not None:
            stayed[entry.to] += 1
    return Way(tuple(steps), stayed, refused)


def _reached(machine: Machine, entry: Entry) -> str | None:
    """Return the state that an entry leads to; None where it leads nowhere."""
    if entry.verdict is Verdict.ANOMALY:
        _, _, word = entry.type.partition(".")
        known = (entry.from_, word) in machine.cells
        return machine.judge(entry.from_, word).claims if known else None
    moves = entry.verdict is Verdict.APPLIED or entry.from_ != entry.to
    return entry.to if moves else None


def _step(number: int, entry: Entry, to: str) -> Step:
    by: By = "fact"
    if entry.verdict is None:
        by = "look"
    elif entry.verdict is Verdict.ANOMALY:
        by = "anomaly"
    return Step(
        number,
        entry.from_,
        to,
        by,
        entry.type,
        entry.occurred_at,
        entry.webhook_id,
        entry.gap,
    )
