"""Rows of text in columns, in which nothing is cut and nothing acts on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from cli.rendering.words import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console


def show_table(console: Console, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; a column in which no row says anything is left out."""
    said = [any(column) for column in zip(*rows, strict=True)] or [True] * len(heads)
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for head, is_said in zip(heads, said, strict=True):
        if is_said:
            table.add_column(head, overflow="fold")
    for row in rows:
        cells = zip(row, said, strict=True)
        table.add_row(*(Text(plain(cell)) for cell, is_said in cells if is_said))
    console.print(table)


def show_lines(console: Console, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a line a row, however many there are; columns as in a table."""
    lines = [heads, *([plain(cell) for cell in row] for row in rows)]
    columns = [column for column in zip(*lines, strict=True) if any(column[1:]) or not rows]
    widths = [max(map(len, column)) for column in columns]
    for line in zip(*columns, strict=True):
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        console.out("  ".join(padded).rstrip(), highlight=False)


def show_fields(console: Console, fields: Sequence[tuple[str, str]]) -> None:
    """Print names with their values, a line each."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column()
    grid.add_column(overflow="fold")
    for name, value in fields:
        grid.add_row(name, Text(plain(value)))
    console.print(grid)


def show_line(console: Console, line: str = "") -> None:
    """Print a line."""
    console.print(Text(plain(line)), soft_wrap=True)
