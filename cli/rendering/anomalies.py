"""What is wrong, a line each, and what to do about each sort."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.rendering.tables import show_line, show_lines
from cli.rendering.words import moment, money

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from api.answers.anomalies import Anomaly


def show_anomalies(console: Console, anomalies: Sequence[Anomaly]) -> None:
    """Print anomalies, then what to do about each code among them."""
    if not anomalies:
        show_line(console, "Nothing is wrong.")
        return
    heads = "since (UTC)", "until (UTC)", "code", "amount", "customer", "what", "webhooks"
    rows = [
        (
            moment(one.since),
            moment(one.until) if one.until else "",
            one.code,
            money(one.amount, one.currency),
            one.customer_id or "",
            one.text,
            ", ".join(dict.fromkeys(found.webhook_id for found in one.evidence)),
        )
        for one in anomalies
    ]
    show_lines(console, heads, rows)
    show_line(console)
    for code, action in {one.code: one.action for one in anomalies}.items():
        show_line(console, f"{code}: {action}")
