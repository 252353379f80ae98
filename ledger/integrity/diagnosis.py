"""What was done to the log where its chain breaks, inferred from the rows around."""

from __future__ import annotations

import struct
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from domain.aggregates.routing import route_again
from ledger.integrity.hash_chain import Row, link
from ledger.mapper import LedgerMapper, UnknownFormatError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from domain.delivery import Delivery

GUESSES_MAX: Final = 1_000
"""How many versions, and how many removed rows, are tried before the question is left open."""
_TWICE: Final = "two rows have this position: one of them was inserted"
_decode: Final = LedgerMapper().decode


class Fault(NamedTuple):
    """The first thing that is wrong with a log: the position where it shows, and what it is."""

    position: int
    problem: str


class Entry(NamedTuple):
    """One row of the log, and the hash that stands in it."""

    row: Row
    hash: bytes

    @property
    def position(self) -> int:
        """The position that stands in the row."""
        return self.row.notification_id


def linked(previous: bytes, row: Row) -> bytes | None:
    """Return the row's hash; None for a row such as the ledger never writes (NULL, too long)."""
    try:
        return link(previous, row)
    except (AttributeError, TypeError, struct.error):
        return None


def delivery_of(row: Row) -> Delivery | str:
    """Decode the row's delivery, or tell in words why that cannot be done."""
    try:
        return _decode(*row[:5]).delivery
    except UnknownFormatError:
        return "this release cannot read its state: run the release that wrote it"
    except (IndexError, TypeError, ValueError, msgspec.MsgspecError) as error:
        return f"its state cannot be decoded: {error}"


def diagnose(last: Entry, suspect: Entry, rest: Iterator[Entry]) -> Fault:
    """Tell what was done to the log, where `suspect` does not follow the last row proved.

    Reads on through `rest`, to the end of the log if need be, for the row that belongs here.
    """
    expected = last.position + 1
    if suspect.position < expected:
        before = "it stands before position 1: it was inserted there, or its position was changed"
        return Fault(suspect.position, _TWICE if last.position else before)
    if suspect.position > expected:
        problem = _moved_away(last, chain([suspect], rest)) or _removed(expected, suspect.position)
        return Fault(expected, problem)
    following = next(rest, None)
    behind = chain([following], rest) if following else iter(())
    column = _changed_column(last, suspect, following)
    changed = f"its {column} was changed" if column else _displaced(last, suspect, behind)
    return Fault(expected, changed or _replaced(suspect, following))


def _removed(first: int, end: int) -> str:
    return f"{_rows(end - first)} removed, up to position {end - 1}"


def _moved_away(last: Entry, entries: Iterator[Entry]) -> str | None:
    expected = last.position + 1
    for row, hash_ in entries:
        if linked(last.hash, _at(expected, row)) == hash_:
            return f"its row stands at position {row.notification_id}: its position was changed"
    return None


def _changed_column(last: Entry, suspect: Entry, following: Entry | None) -> str | None:
    """Name the one column that was changed, where its true value can be had from elsewhere."""
    for column, row in _restored(last, suspect.row, following):
        if linked(last.hash, row) == suspect.hash:
            return column
    genuine = linked(last.hash, suspect.row)
    if following and genuine and linked(genuine, following.row) == following.hash:
        return "hash"
    return None


def _restored(last: Entry, row: Row, following: Entry | None) -> Iterator[tuple[str, Row]]:
    delivery = delivery_of(row)
    if not isinstance(delivery, str):
        to = route_again(delivery)
        yield "webhook_id", row._replace(webhook_id=delivery.webhook_id)
        yield "originator_id", row._replace(originator_id=to.stream_id)
        yield "topic", row._replace(topic=to.topic)
    if row.content_hash is not None:
        yield "content_hash", row._replace(content_hash=None)
    # A batch has one time, so a neighbour's is often the row's own.
    yield "recorded_at", row._replace(recorded_at=last.row.recorded_at)
    if following:
        yield "recorded_at", row._replace(recorded_at=following.row.recorded_at)
    for version in range(1, GUESSES_MAX + 1):
        yield "originator_version", row._replace(originator_version=version)


def _displaced(last: Entry, suspect: Entry, behind: Iterator[Entry]) -> str | None:
    """Look further on for the row that belongs where `suspect` stands."""
    expected, before = last.position + 1, suspect
    for entry in behind:
        genuine = linked(last.hash, _at(expected, entry.row))
        # Rows are moved with their hashes, or their hashes are left where they were.
        if genuine and genuine in {entry.hash, suspect.hash}:
            true = Entry(_at(expected, entry.row), genuine)
            return _reordered(true, suspect, before, entry) or _pushed(true, entry, behind)
        before = entry
    return None


def _reordered(true: Entry, suspect: Entry, before: Entry, entry: Entry) -> str | None:
    """Tell where the row that stands here belongs: at `entry`'s place, or at the next."""
    expected, now_at = true.position, entry.position
    previous = true.hash if now_at == expected + 1 else before.hash
    if linked(previous, _at(now_at, suspect.row)) in {suspect.hash, entry.hash}:
        return f"this row and the one at position {now_at} have changed places: reordered"
    if linked(true.hash, _at(expected + 1, suspect.row)) == suspect.hash:
        return f"its row was moved to position {now_at}, and those between moved up: reordered"
    return None


def _pushed(true: Entry, entry: Entry, behind: Iterator[Entry]) -> str:
    expected, now_at = true.position, entry.position
    if now_at == expected:
        return _TWICE
    after = next(behind, None)
    if after is None or linked(true.hash, _at(expected + 1, after.row)) == after.hash:
        return (
            f"{_rows(now_at - expected)} inserted here, or moved here from further on: the row"
            f" that belongs here stands at position {now_at}"
        )
    return f"the row that belongs here stands at position {now_at}: reordered"


def _replaced(suspect: Entry, following: Entry | None) -> str:
    """Tell what is left to be said of a row whose true form is nowhere in the log."""
    if following is None:
        return "the last row was changed, or added by another hand than the ledger's"
    if linked(suspect.hash, following.row) == following.hash:
        return (
            "the row was changed (its state, its recorded_at or several columns), or the rows"
            " before it were rewritten with new hashes"
        )
    for count in range(1, GUESSES_MAX + 1):
        shifted = _at(following.position + count, following.row)
        if linked(suspect.hash, shifted) == following.hash:
            return f"{_rows(count)} removed here, and those behind renumbered"
    return "the row was replaced: it fits neither what precedes it nor what follows"


def _at(position: int, row: Row) -> Row:
    return row._replace(notification_id=position)


def _rows(count: int) -> str:
    return "1 row was" if count == 1 else f"{count:,} rows were"
