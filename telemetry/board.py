"""Numbers that the processes of one server share: each writes its own row, and all read all."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from enum import IntEnum
from mmap import mmap
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_STANDING, _PID, _BEATS, _SILENT_S, _OWN = range(5)
"""The columns of a row: how the process stands, its id, its heartbeats, for how long there was none
as who keeps it running sees it, and then its own."""
_NUMBER_BYTES: Final = 8


class Standing(IntEnum):
    """How a process stands."""

    ABSENT = 0
    BEGINNING = 1
    READY = 2
    LEADING = 3
    """It is ready, and of all servers the one that does what only one does."""
    FAILING = 4
    """It runs, and cannot do its work; the log tells why."""


class Place(msgspec.Struct, frozen=True):
    """Where a process finds its row: by a descriptor that it has inherited, or None for no other.

    `names` are those of all processes, in the order of their rows; `columns` is how many numbers
    of its own each has.
    """

    name: str
    names: list[str]
    columns: int
    file: int | None = None


class Row:
    """What one process writes; whoever begins in its place goes on with its numbers."""

    def __init__(self, numbers: memoryview[float]) -> None:
        self._numbers = numbers
        self.own = numbers[_OWN:]
        """Numbers that mean what the process says, floats all of them, 0 at first."""

    @property
    def standing(self) -> Standing:
        """How the process stands."""
        return Standing(int(self._numbers[_STANDING]))

    @property
    def pid(self) -> int:
        """The id of the process that was there last; 0 where there was none."""
        return int(self._numbers[_PID])

    @property
    def beats(self) -> float:
        """How often the process, and those in whose place it is, have shown that they work."""
        return self._numbers[_BEATS]

    @property
    def silent_s(self) -> float:
        """For how many seconds the process has not shown that it works."""
        return self._numbers[_SILENT_S]

    @silent_s.setter
    def silent_s(self, silent_s: float) -> None:
        self._numbers[_SILENT_S] = silent_s

    @property
    def runs(self) -> bool:
        """Whether the process is there and has begun its work."""
        return self.standing >= Standing.READY

    def stand(self, standing: Standing) -> None:
        """Show how the process stands: this one, or one that has ended."""
        self._numbers[_STANDING] = standing
        if standing > Standing.BEGINNING:
            self._numbers[_PID] = os.getpid()

    def beat(self) -> None:
        """Show that this process works."""
        self._numbers[_BEATS] += 1


class Board:
    """The rows of all processes, in memory that outlives each of them.

    A number is written and read at once, without a lock: each has one process that writes it.
    """

    def __init__(self, place: Place) -> None:
        size = _bytes_of(len(place.names), place.columns)
        numbers = memoryview(mmap(-1 if place.file is None else place.file, size)).cast("d")
        width = _OWN + place.columns
        self.rows = {
            name: Row(numbers[number * width : (number + 1) * width])
            for number, name in enumerate(place.names)
        }
        self.own = self.rows[place.name]
        """The row of this process."""

    @property
    def running(self) -> list[Row]:
        """The rows of those that are at work."""
        return [row for row in self.rows.values() if row.runs]


def alone(name: str, columns: int) -> Board:
    """Return the board of a process that is the whole server."""
    board = Board(Place(name, [name], columns))
    board.own.stand(Standing.READY)
    return board


@contextmanager
def shared(name: str, names: Sequence[str], columns: int) -> Iterator[Place]:
    """Yield the place of this process, on a board whose descriptor the others may inherit."""
    with tempfile.TemporaryFile() as file:
        # Written, not only made so long: a disk that is full would end whoever writes into it.
        file.write(bytes(_bytes_of(len(names), columns)))
        file.flush()
        yield Place(name, list(names), columns, file.fileno())


def _bytes_of(rows: int, columns: int) -> int:
    return rows * (_OWN + columns) * _NUMBER_BYTES
