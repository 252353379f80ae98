"""The ledger of a customer's credits, a line an entry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.rendering.tables import show_lines
from cli.rendering.words import moment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from rich.console import Console

    from domain.credits.entry import CreditEntry


def show_ledger(console: Console, ledger: Sequence[CreditEntry]) -> None:
    """Print entries: what each changes, and what Dodo says is left after it."""
    heads = "made (UTC)", "type", "balance", "left", "overage", "owed", "entry", "of note"
    rows = [
        (
            moment(entry.created_at),
            entry.type,
            _signed(entry.balance_change),
            _number(entry.balance_after),
            _signed(entry.overage_change),
            _number(entry.overage_after),
            entry.id,
            entry.anomaly or "",
        )
        for entry in ledger
    ]
    show_lines(console, heads, rows)


def _signed(change: Decimal) -> str:
    return f"{change:+f}" if change else ""


def _number(credits_: Decimal | None) -> str:
    return "" if credits_ is None else f"{credits_:f}"
