"""What stands in the file of a backup, and how it shows that nothing is missing.

It is gzip over text. Lines that begin with `-- ` are the archive's own: first what it is a backup
of, then before each table its name and columns, and at last the SHA-256 of all lines before that
one. Rows stand between as PostgreSQL's COPY writes text, so that every release of it can read
them; a line of a backslash and a full stop ends a table's.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from datetime import datetime
from typing import IO, TYPE_CHECKING, Final, TypeVar

import msgspec

from ledger.integrity.verify import Head
from migrations.runner import Applied
from telemetry.errors import RaphusError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")
FORMAT: Final = 1
LINE_BYTES_MAX: Final = 64 * 2**20
"""A row with a body of 1 MiB takes a little over 2 MiB."""
# Level 6 needs twice the time of everything else, for a quarter of the size.
_LEVEL: Final = 3
_AS_GZIP: Final = 16 + zlib.MAX_WBITS
_FIRST: Final = b"-- raphus backup "
_TABLE: Final = b"-- table "
_LAST: Final = b"-- sha256 "
_END_OF_ROWS: Final = b"\\.\n"
_AGAIN: Final = "take it from another copy of the file, or another backup"


class BackupError(RaphusError):
    """A backup cannot be made, or cannot be restored; the message tells why and what to do."""


class Header(msgspec.Struct, frozen=True):
    """What a backup is of: the head of the log, and the migrations that its tables are made of."""

    format: int
    release: str
    made_at: datetime
    head: str
    migrations: tuple[Applied, ...]


class Table(msgspec.Struct, frozen=True):
    """The table that the next rows are of; `rows` is how many to expect, to show a progress."""

    name: str
    columns: tuple[str, ...]
    rows: int


class _Format(msgspec.Struct):
    format: int


class Writer:
    """Writes an archive; without `end`, nobody will take it for whole."""

    def __init__(self, file: IO[bytes], header: Header) -> None:
        self._file = file
        self._deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, _AS_GZIP)
        self._hash = hashlib.sha256()
        self._write(_FIRST + msgspec.json.encode(header) + b"\n")

    def add(self, table: Table, rows: Iterable[bytes]) -> None:
        """Add a table with its rows, each a line of COPY's."""
        self._write(_TABLE + msgspec.json.encode(table) + b"\n")
        for row in rows:
            self._write(row)
        self._write(_END_OF_ROWS)

    def end(self) -> None:
        """Write what shows that it is whole."""
        self._write(_LAST + self._hash.hexdigest().encode() + b"\n")
        self._file.write(self._deflate.flush())
        self._file.flush()

    def _write(self, data: bytes) -> None:
        self._hash.update(data)
        self._file.write(self._deflate.compress(data))


class Reader:
    """Reads an archive, once, from its beginning to its end.

    What it gives counts only when `tables` has ended without an error: before that it may be cut
    off, or changed.
    """

    def __init__(self, file: IO[bytes]) -> None:
        """Read what it is a backup of.

        Raises:
            BackupError: it is no backup, or one that only a newer release can read.
        """
        self._file = gzip.GzipFile(fileobj=file, mode="rb")
        self._hash = hashlib.sha256()
        self.header = self._header()
        self.head = _sound(lambda: Head.parse(self.header.head))

    def tables(self) -> Iterator[tuple[Table, Iterator[bytes]]]:
        """Yield each table with its rows, all of which must be taken before the next one.

        Raises:
            BackupError: the file is cut off or damaged, or cannot be read.
        """
        while not (line := self._line()).startswith(_LAST):
            if not line.startswith(_TABLE):
                raise _damaged()
            self._hash.update(line)
            yield _decoded(line[len(_TABLE) :], Table), self._rows()
        if line != _LAST + self._hash.hexdigest().encode() + b"\n" or self._read():
            raise _damaged()

    def _header(self) -> Header:
        try:
            line = self._read()
        except BackupError as error:
            raise BackupError(f"it is not a backup of Raphus, or {error}") from error
        if not line.startswith(_FIRST):
            raise BackupError("it is not a backup of Raphus, as raphus backup writes it")
        self._hash.update(line)
        text = line[len(_FIRST) :]
        if _decoded(text, _Format).format > FORMAT:
            raise BackupError("a newer release has made it: restore it with that one")
        return _decoded(text, Header)

    def _rows(self) -> Iterator[bytes]:
        while True:
            line = self._line()
            self._hash.update(line)
            if line == _END_OF_ROWS:
                return
            yield line

    def _line(self) -> bytes:
        line = self._read()
        if not line:
            raise _cut()
        if not line.endswith(b"\n"):
            raise _damaged()
        return line

    def _read(self) -> bytes:
        try:
            return self._file.readline(LINE_BYTES_MAX)
        except EOFError as error:
            raise _cut() from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise _damaged() from error
        except OSError as error:
            raise BackupError(f"it cannot be read: {error.strerror}") from error


def _decoded(text: bytes, type_: type[T]) -> T:
    return _sound(lambda: msgspec.json.decode(text, type=type_))


def _sound(read: Callable[[], T]) -> T:
    try:
        return read()
    except ValueError as error:  # msgspec's are of this kind, too
        raise _damaged() from error


def _damaged() -> BackupError:
    return BackupError(f"it is damaged: {_AGAIN}")


def _cut() -> BackupError:
    return BackupError(f"it is cut off before its end: {_AGAIN}")
