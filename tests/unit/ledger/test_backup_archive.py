"""A backup's file: what was written is read, or nothing is; whatever happened to the file."""

from __future__ import annotations

import gzip
import io
from datetime import UTC, datetime
from typing import Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.backup.archive import FORMAT, BackupError, Header, Reader, Table, Writer
from ledger.integrity.hash_chain import GENESIS
from ledger.integrity.verify import Head
from migrations.runner import Applied

HEADER: Final = Header(
    FORMAT,
    "1.2.3",
    datetime(2026, 5, 1, tzinfo=UTC),
    str(Head(2, GENESIS)),
    (Applied(1, "ledger", "ab"), Applied(2, "more", "cd")),
)
TABLES: Final = [
    (Table("ledger_events", ("a", "b"), 2), [b"1\t\\\\x00ff\n", b"2\t\\\\.\n"]),
    (Table("windmill_outbox", ("due",), 0), []),
]


def written(tables: list[tuple[Table, list[bytes]]] = TABLES, header: Header = HEADER) -> bytes:
    file = io.BytesIO()
    writer = Writer(file, header)
    for table, rows in tables:
        writer.add(table, rows)
    writer.end()
    return file.getvalue()


def read(file: bytes) -> tuple[Header, list[tuple[Table, list[bytes]]]]:
    reader = Reader(io.BytesIO(file))
    return reader.header, [(table, list(rows)) for table, rows in reader.tables()]


ROWS: Final = st.lists(
    # As COPY writes text: a backslash never stands alone, a newline only at the end.
    st.binary().map(lambda raw: raw.replace(b"\\", b"\\\\").replace(b"\n", b"\\n") + b"\n")
)


@given(st.lists(st.tuples(st.text(), st.lists(st.text()), ROWS)))
def test_what_is_written_is_read(tables: list[tuple[str, list[str], list[bytes]]]) -> None:
    made = [(Table(name, tuple(columns), len(rows)), rows) for name, columns, rows in tables]
    assert read(written(made)) == (HEADER, made)


def test_a_file_that_is_cut_off_anywhere_is_refused() -> None:
    whole = written()
    for size_bytes in range(len(whole)):
        with pytest.raises(BackupError, match=r"cut off|not a backup"):
            read(whole[:size_bytes])


def test_a_file_in_which_a_bit_of_any_byte_is_changed_is_refused_or_says_the_same() -> None:
    whole, same = written(), 0
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        try:
            assert read(bytes(changed)) == (HEADER, TABLES)
            same += 1
        except BackupError:
            pass
    assert same < 10, "only gzip's own header has bits that mean nothing"


@pytest.mark.parametrize("place", range(6))
def test_a_line_that_is_changed_and_packed_again_is_refused(place: int) -> None:
    lines = gzip.decompress(written()).splitlines(keepends=True)
    lines[place] = lines[place][:-2] + b"~\n"
    with pytest.raises(BackupError, match=r"damaged|cut off"):
        read(gzip.compress(b"".join(lines)))


def test_what_comes_behind_the_end_is_refused() -> None:
    with pytest.raises(BackupError, match="damaged"):
        read(written() + written())


def test_what_was_not_ended_is_not_whole() -> None:
    file = io.BytesIO()
    writer = Writer(file, HEADER)
    writer.add(*TABLES[0])
    writer._file.write(writer._deflate.flush())
    with pytest.raises(BackupError, match="cut off"):
        read(file.getvalue())


@pytest.mark.parametrize(
    "other", [b"", b"PGDMP", gzip.compress(b"", mtime=0), gzip.compress(b"SELECT 1;\n", mtime=0)]
)
def test_what_is_no_backup_is_told(other: bytes) -> None:
    with pytest.raises(BackupError, match="not a backup of Raphus"):
        Reader(io.BytesIO(other))


def test_a_newer_format_is_told_from_damage() -> None:
    newer = {"format": FORMAT + 1, "anything": "else"}
    file = gzip.compress(b"-- raphus backup " + msgspec.json.encode(newer) + b"\n")
    with pytest.raises(BackupError, match="a newer release has made it"):
        Reader(io.BytesIO(file))
