"""What reconciliations found, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cli.rendering.tables import show_line, show_lines
from cli.rendering.words import NOTHING, counted, moment, money

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from reconciliation.queries import KeptFinding

_IN_WORDS: Final = {
    "agreed": "as Dodo says",
    "lost": "with webhooks that are not here",
    "unknown": "that only Dodo knew",
    "changed": "with fields of which no webhook tells",
    "missing": "that Dodo no longer has",
    "awaited": "that have just changed: their webhooks may be on their way",
    "refreshed": "of which more is known now, and no webhook should have told it",
}


def show_outcomes(console: Console, outcomes: Mapping[str, int]) -> None:
    """Print how many objects had which outcome, a line each."""
    for outcome, words in _IN_WORDS.items():
        if count := outcomes.get(outcome):
            show_line(console, f"{counted(count, 'object'):>16} {words}")
    if not outcomes:
        show_line(console, "there was nothing to ask about")


def show_findings(console: Console, findings: Sequence[KeptFinding]) -> None:
    """Print what was found, a line an object."""
    if not findings:
        return
    show_line(console)
    heads = "found", "object", "here → at Dodo", "webhook", "since (UTC)", "amount", "of note"
    show_lines(console, heads, [_row(one) for one in findings])


def show_advice(console: Console, advice: Sequence[str]) -> None:
    """Print what a person should see to."""
    for one in advice:
        show_line(console)
        show_line(console, f"{one[:1].upper()}{one[1:]}.")


def _row(one: KeptFinding) -> tuple[str, ...]:
    here, there = one.status_here or NOTHING, one.status_at_dodo or NOTHING
    note = "may still come" if one.may_still_come else ""
    if not one.types and one.fields:
        note = f"differs in {', '.join(one.fields)}"
    return (
        one.outcome,
        f"{one.kind} {one.object_id}",
        here if here == there else f"{here} → {there}",
        " or ".join(one.types) or NOTHING,
        moment(one.since),
        money(one.amount, one.currency),
        note,
    )
