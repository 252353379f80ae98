"""The files of a table, one after the other: each is whole and on disk before it counts."""

from __future__ import annotations

import os
from hashlib import sha256
from typing import IO, TYPE_CHECKING, Final, NamedTuple

from api.exports.formats import file_of
from api.exports.warehouse.state import File
from ledger.backup.new_file import UNFINISHED, names_on_disk

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import msgspec

    from api.exports.formats import Format
    from api.exports.warehouse.state import Change, State
    from api.exports.warehouse.tables import Table

FILE_ROWS: Final = 50_000
FILE_BYTES: Final = 64 * 2**20
"""A file ends behind the rows with which it has so many, or so many bytes."""


class Run(NamedTuple):
    """A run: where and how it writes, its number, and up to where the log is that it shows."""

    folder: Path
    format: Format
    state: State
    number: int
    position: int


class Files:
    """Writes rows of a table into files, which count one by one."""

    def __init__(self, run: Run, table: Table) -> None:
        self._run = run
        self._table = table
        self._count = 0
        self._open: _Open | None = None
        self._changes: list[Change] = []

    def add(
        self,
        rows: Sequence[msgspec.Struct],
        changes: Sequence[Change],
        noted: Mapping[str, str | int] | None = None,
    ) -> None:
        """Write rows, what they change of what was written, and how far the run has come by them.

        Raises:
            OSError: they cannot be written.
        """
        if not rows:
            return
        if self._open is None:
            self._count += 1
            name = f"{self._run.number:06}-{self._count:04}.{self._run.format}"
            self._open = _Open(self._run, self._table, name)
        self._open.write(rows)
        self._changes += changes
        if self._open.is_full:
            self.end(noted)

    def end(self, noted: Mapping[str, str | int] | None = None) -> None:
        """Let what was written count, and note how far the run has come.

        Raises:
            OSError: it cannot be written.
        """
        if self._open is not None:
            self._run.state.add(self._open.end(), self._changes, noted)
            self._open, self._changes = None, []
        elif noted:
            self._run.state.note(noted)

    def give_up(self) -> None:
        """Leave what does not count yet."""
        if self._open is not None:
            self._open.give_up()


class _Open:
    """A file that is being written."""

    def __init__(self, run: Run, table: Table, name: str) -> None:
        self._run = run
        self._name = f"{table.name}/{name}"
        self._of_table = table.name
        self._path = run.folder / f"{self._name}{UNFINISHED}"
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        self._format = file_of(run.format, table.row)
        self._file = _for_its_user(self._path)
        self._hash = sha256()
        self._rows = self._bytes = 0
        self._put(self._format.begin())

    @property
    def is_full(self) -> bool:
        return self._rows >= FILE_ROWS or self._bytes >= FILE_BYTES

    def write(self, rows: Sequence[msgspec.Struct]) -> None:
        self._put(self._format.rows(rows))
        self._rows += len(rows)

    def end(self) -> File:
        """Bring it to disk under its name."""
        self._put(self._format.end())
        with self._file:
            self._file.flush()
            os.fsync(self._file.fileno())
        whole = self._run.folder / self._name
        self._path.replace(whole)
        for folder in (whole.parent, self._run.folder):
            names_on_disk(folder)
        return File(
            self._name,
            self._of_table,
            self._run.number,
            self._run.position,
            self._rows,
            self._bytes,
            self._hash.hexdigest(),
        )

    def give_up(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._hash.update(data)
        self._bytes += len(data)


def _for_its_user(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
