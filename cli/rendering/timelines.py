"""What happened, a line a fact, with what is odd about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.rendering.tables import show_line, show_lines
from cli.rendering.words import afterwards, change, moment, remarks
from domain.lateness import Arrival, lateness

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from api.answers.named import NamedEntry
    from domain.lateness import Stretch


def show_timeline(console: Console, entries: Sequence[NamedEntry]) -> None:
    """Print the timeline of one object; what came late is told by these facts alone."""
    late_s, stretches = lateness(map(_arrival, entries))
    show_stretches(console, stretches)
    heads = "occurred (UTC)", "type", "status", "webhook", "of note"
    rows = [
        (
            moment(entry.occurred_at),
            entry.type,
            change(entry),
            entry.webhook_id,
            remarks(entry, late_s.get(int(entry.position))),
        )
        for entry in entries
    ]
    show_lines(console, heads, rows)


def show_stretches(console: Console, stretches: Sequence[Stretch]) -> None:
    """Print what was recorded afterwards, a line a stretch."""
    for one in stretches:
        show_line(console, afterwards(one))


def show_happenings(
    console: Console, entries: Sequence[NamedEntry], amounts: Mapping[tuple[str, str], str]
) -> None:
    """Print what happened to several objects; `amounts` are by kind and id, where known."""
    heads = "occurred (UTC)", "type", "id", "status", "amount", "of note"
    rows = [
        (
            moment(entry.occurred_at),
            entry.type,
            entry.id,
            change(entry),
            amounts.get((entry.kind, entry.id), ""),
            remarks(entry, getattr(entry, "late_s", None)),
        )
        for entry in entries
    ]
    show_lines(console, heads, rows)


def _arrival(entry: NamedEntry) -> Arrival:
    assert entry.occurred_at is not None, "only a notice has no time"
    return Arrival(int(entry.position), entry.occurred_at, entry.recorded_at)
