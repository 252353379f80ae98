"""What of a table is other than what was written of it, or is there no more, written into files.

Both sides come in the order of the key: from PostgreSQL the hash of each row, and from what is
known of the files that of each row in them. So whatever has changed a row is found, be it an event,
a rebuild or the clock, and little of either side is in memory at once.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import msgspec
from psycopg.sql import SQL, Identifier

from api.exports.warehouse.state import Change
from api.exports.warehouse.tables import ADDED
from api.exports.warehouse.writing import Files

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from psycopg import Connection
    from psycopg.sql import Composed

    from api.exports.warehouse.state import State
    from api.exports.warehouse.tables import Compared
    from api.exports.warehouse.writing import Run
    from telemetry.progress import Progress

AT_ONCE: Final = 1_000
"""So many rows are read at once, in full."""
HASHES_AT_ONCE: Final = 10_000
_END: Final = b"\xff"
"""Behind every key: no byte of a text in UTF-8 is so high."""


def compare(conn: Connection[Any], run: Run, compared: Compared, progress: Progress) -> None:
    """Write what has changed of a table, in the caller's transaction.

    `progress` is told how many rows have been looked at.

    Raises:
        OSError: the files cannot be written.
        psycopg.Error: the database went away.
    """
    table, phase = compared.table, f"export {compared.table.name}"
    rows = _Rows(conn, run, compared)
    total = rows.count()
    files = Files(run, table)
    try:
        found = changed(rows.hashes(phase, total, progress), _written(run.state, table.name))
        while batch := list(islice(found, AT_ONCE)):
            files.add(rows.read(batch), batch)
        files.end()
    finally:
        files.give_up()


def changed(now: Iterator[Change], before: Iterator[Change]) -> Iterator[Change]:
    """Yield, of two sides in the order of the key, what of the first is not so in the second."""
    old = next(before, Change(_END, None))
    for new in now:
        while old.key < new.key:
            yield Change(old.key, None)
            old = next(before, Change(_END, None))
        if old.key != new.key or old.hash != new.hash:
            yield new
        if old.key == new.key:
            old = next(before, Change(_END, None))
    while old.key != _END:
        yield Change(old.key, None)
        old = next(before, Change(_END, None))


def _written(state: State, table: str) -> Iterator[Change]:
    after = b""
    while found := state.written(table, after, HASHES_AT_ONCE):
        yield from (Change(*one) for one in found)
        after = found[-1][0]


class _Rows:
    """The rows of a table as they are now."""

    def __init__(self, conn: Connection[Any], run: Run, compared: Compared) -> None:
        self._conn = conn
        self._run = run
        self._table = compared.table
        self._source = SQL(compared.source)
        self._key = SQL(", ").join(map(_text_of, compared.table.key))

    def count(self) -> int:
        """Return how many there are; 0 of customers, whose view would be worked out for it."""
        if self._table.name == "customers":
            return 0
        statement = SQL("SELECT count(*) FROM {}").format(self._source)
        ((count,),) = self._conn.execute(statement).fetchall()
        return int(count)

    def hashes(self, phase: str, total: int, progress: Progress) -> Iterator[Change]:
        """Yield all of them by their hashes, in the order of the key."""
        order = SQL(", ").join(
            SQL('{} COLLATE "C"').format(_text_of(one)) for one in self._table.key
        )
        statement = SQL(
            "SELECT {key}, decode(md5(q::text), 'hex') FROM {source} ORDER BY {order}"
        ).format(key=self._key, source=self._source, order=order)
        if total:
            progress(phase, 0, total)
        done = 0
        with self._conn.cursor("hashes", binary=True) as cursor:
            cursor.itersize = HASHES_AT_ONCE
            for done, (*key, hash_) in enumerate(cursor.execute(statement), start=1):
                yield Change("\0".join(key).encode(), hash_)
                if done % AT_ONCE == 0:
                    progress(phase, done, max(done, total) if total else 0)
        progress(phase, done, done)

    def read(self, batch: Sequence[Change]) -> list[msgspec.Struct]:
        """Return rows, and of those that are not there any more what tells that."""
        wanted = {one.parts: one for one in batch}
        there = self._selected([one.parts[0] for one in batch if one.hash is not None])
        return [
            self._row(deleted=False, **there[parts])
            if one.hash is not None
            else self._row(deleted=True, **dict(zip(self._table.key, parts, strict=True)))
            for parts, one in wanted.items()
        ]

    def _selected(self, firsts: list[str]) -> dict[tuple[str, ...], dict[str, object]]:
        """Select rows by the first part of their keys; others that have it, too, come along."""
        if not firsts:
            return {}
        names, parts = self._table.columns, len(self._table.key)
        statement = SQL("SELECT {key}, {columns} FROM {source} WHERE {first} = ANY (%s)").format(
            key=self._key,
            columns=SQL(", ").join(Identifier("q", name) for name in names),
            source=self._source,
            first=Identifier("q", self._table.key[0]),
        )
        with self._conn.cursor(binary=True) as cursor:
            rows = cursor.execute(statement, [firsts]).fetchall()
        return {tuple(row[:parts]): dict(zip(names, row[parts:], strict=True)) for row in rows}

    def _row(self, *, deleted: bool, **values: object) -> msgspec.Struct:
        added = (self._run.number, self._run.position, deleted)
        told = {**dict(zip(ADDED, added, strict=True)), **values}
        # The parts of a key are texts.
        return msgspec.convert(told, self._table.row, strict=not deleted)


def _text_of(column: str) -> Composed:
    # As in JSON, so that a time is read again as every other.
    return SQL("(to_jsonb({}) #>> '{{}}')").format(Identifier("q", column))
