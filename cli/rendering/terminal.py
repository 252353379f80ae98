"""Where commands write."""

from __future__ import annotations

import sys
from typing import Final, NoReturn

from rich.console import Console

WIDTH: Final = 110
_UNBOUNDED: Final = 10_000


def console(*, stderr: bool = False) -> Console:
    """Return what progress and tables are written to."""
    made = _Console(stderr=stderr, markup=False, emoji=False, highlight=False)
    if not made.is_terminal:
        made.width = WIDTH  # in a log there is room for the tables
    return made


def wide_console() -> Console:
    """Return what answers are written to: no line of theirs is broken but by a terminal."""
    made = console()
    if not made.is_terminal:
        made.width = _UNBOUNDED
    return made


def write(line: bytes) -> None:
    """Write a line that is encoded already, whatever the encoding of the terminal is."""
    sys.stdout.flush()
    sys.stdout.buffer.write(line)


class _Console(Console):
    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError  # not the library's exit code 1: the reader has seen enough
