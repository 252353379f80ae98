"""The rows that erasures have emptied, by what the log says of each, in order of position."""

from __future__ import annotations

from hashlib import sha256
from heapq import merge
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from psycopg.rows import tuple_row

from domain.aggregates.erasure import ERASURE, TOPIC, read_erasure
from ledger.mapper import COLUMNS, LedgerMapper

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from psycopg import Connection

    from domain.aggregates.erasure import Erasure
    from ledger.integrity.hash_chain import Row

_ERASURES: Final = (
    f"SELECT {COLUMNS} FROM raphus.ledger_events WHERE topic = %s"  # noqa: S608 -- constants
    " AND starts_with(originator_id, %s) ORDER BY notification_id"
)
_decode: Final = LedgerMapper().decode


class FoundErasure(NamedTuple):
    """An erasure that stands at a position of the log, and what it has emptied."""

    position: int
    erasure: Erasure


class EmptiedRows:
    """Tells of each row, asked in order of position, whether it is emptied as the log says.

    Of two erasures that name a row, the later one tells what stands there. Held in memory are 32
    bytes a row that was emptied.
    """

    def __init__(self, erasures: Sequence[FoundErasure]) -> None:
        self._erasures = tuple(erasures)
        self._named = merge(*(_named(*one) for one in erasures))
        self._next = next(self._named, None)

    @classmethod
    def read(cls, conn: Connection[Any]) -> EmptiedRows:
        """Read all erasures of a log; what is none is left to the chain."""
        return cls(list(_read(conn)))

    def by_erasure(self, until: int) -> tuple[FoundErasure, ...]:
        """Return the erasures up to a position."""
        return tuple(one for one in self._erasures if one.position <= until)

    def problem(self, row: Row) -> str | None:
        """Tell what is wrong with a row's content, whose hash is chained."""
        position, erasure, content = row.notification_id, 0, b""
        while self._next is not None and self._next[0] <= position:
            if self._next[0] == position:
                _, erasure, content = self._next
            self._next = next(self._named, None)
        if not erasure:
            unnamed = "its content was emptied or changed, and no recorded erasure names it"
            return None if row.content_hash is None else unnamed
        if row.content_hash is None:
            return f"the erasure at position {erasure} names it, but its content is there"
        if sha256(row.state).digest() != content:
            return f"its content was changed since the erasure at position {erasure} emptied it"
        return None


def _read(conn: Connection[Any]) -> Iterator[FoundErasure]:
    with conn.cursor(row_factory=tuple_row, binary=True) as curs:
        for row in curs.execute(_ERASURES, [TOPIC, f"{ERASURE}/"]):
            try:
                yield FoundErasure(row[4], read_erasure(_decode(*row).delivery))
            except (ValueError, IndexError, msgspec.MsgspecError):
                continue


def _named(position: int, erasure: Erasure) -> Iterator[tuple[int, int, bytes]]:
    for emptied, content in erasure.emptied():
        yield emptied, position, content
