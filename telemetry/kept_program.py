"""What a program does first and last that is kept running: it is told its task, and ends in order.

It reads its place on the board and its task from standard input, and ends when that is closed: with
the server that started it, however the server ends.
"""

from __future__ import annotations

import logging
import signal
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

import msgspec

from telemetry import child, interpreter, logs
from telemetry.board import Board, Place
from telemetry.concealment import conceal
from telemetry.heartbeat import answer_where
from telemetry.redaction import origin_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from telemetry.kept_process import Program

_log = logging.getLogger(__name__)

Task = TypeVar("Task")


def run(
    program: Program, read: Callable[[bytes], Task], work: Callable[[Task, Board], None]
) -> int:
    """Do the work that standard input tells, as `read` understands it; return the exit code."""
    conceal()  # before it reads secrets
    answer_where()
    first, second = sys.stdin.buffer.readline(), sys.stdin.buffer.readline()
    if not second:
        return 0
    place = msgspec.json.decode(first, type=Place)
    logs.set_up(logging.INFO, place.name)
    interpreter.tune()
    try:
        work(read(second), Board(place))
    except Exception as error:  # noqa: BLE001 -- the text could quote what it was told
        _log.error("the process that %s ends: %s", program.does, origin_of(error))
        return 1
    return 0


@contextmanager
def told_to_end(tell: Callable[[], object], within_s: float) -> Iterator[None]:
    """Call `tell`, in some thread, when standard input is closed or SIGTERM asks for the end.

    It may be called more than once, and also while the block's work has ended by itself. After so
    many seconds the process ends, however far it is.
    """

    def end(*_signal: object) -> None:
        with suppress(RuntimeError):  # what is told has ended by itself
            tell()

    before = signal.signal(signal.SIGTERM, end)
    child.ends_with_its_parent(end, within_s)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
