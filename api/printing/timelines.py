"""Timelines: what happened, a line a fact, with what is odd about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.printing.tables import show_lines
from api.printing.words import change, moment, remarks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from domain.timeline import Entry


def show_timeline(console: Console, entries: Sequence[Entry]) -> None:
    """Print the timeline of one object."""
    heads = "occurred (UTC)", "type", "status", "webhook", "of note"
    rows = [
        (moment(entry.occurred_at), entry.type, change(entry), entry.webhook_id, remarks(entry))
        for entry in entries
    ]
    show_lines(console, heads, rows)


def show_happenings(
    console: Console, entries: Sequence[Entry], amounts: Mapping[tuple[str, str], str]
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
            remarks(entry),
        )
        for entry in entries
    ]
    show_lines(console, heads, rows)
