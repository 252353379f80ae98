"""Why a field has its value, with the deliveries that say so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from cli.rendering.tables import show_line, show_table
from cli.rendering.words import moment
from domain.entity import spoken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from domain.explanation.evidence import Source
    from domain.explanation.explain import Explanation


def show_explanation(console: Console, found: Explanation, past: str) -> None:
    """Print an explanation, the sources that count before those that were passed over."""
    named = f"{spoken(found.kind)} {found.id}{past}"
    show_line(console, f"{named}: {found.field} is {_shown(found.value)}")
    if found.note is not None:
        show_line(console, found.note)
    heads = "", "occurred (UTC)", "type", "says", "recorded (UTC)", "webhook", "because"
    if rows := list(_rows(found)):
        show_table(console, heads, rows)
    for count, shown, what in (
        (found.set_by_count, found.set_by, "set it"),
        (found.passed_over_count, found.passed_over, "were passed over"),
    ):
        if count > len(shown):
            show_line(console, f"{count - len(shown)} more {what}")


def _rows(found: Explanation) -> Iterator[tuple[str, ...]]:
    roles = {"set by": found.set_by, "since": found.since, "passed over": found.passed_over}
    for role, sources in roles.items():
        for source in sources if isinstance(sources, list) else filter(None, [sources]):
            yield role, *_cells(source)


def _cells(source: Source) -> tuple[str, ...]:
    return (
        moment(source.occurred_at),
        source.type,
        f"{source.role}: {_shown(source.said)}",
        moment(source.recorded_at),
        source.webhook_id,
        source.reason,
    )


def _shown(value: object) -> str:
    if value is None:
        return "not known"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
