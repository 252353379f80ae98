"""Verification: proves from the log itself that nothing in it was changed, moved or dropped."""

from __future__ import annotations

import re
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, cast

from psycopg.rows import tuple_row

from domain.aggregates.routing import is_signed
from ledger.integrity.diagnosis import Entry, Fault, delivery_of, diagnose, linked
from ledger.integrity.emptied_rows import EmptiedRows
from ledger.integrity.hash_chain import GENESIS, RECORDED, Row
from ledger.integrity.signatures import Tally
from postgres.snapshot import BY_INDEX, READ_ONLY_SNAPSHOT

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

    from psycopg import Connection

    from ledger.integrity.emptied_rows import FoundErasure
    from ledger.integrity.signatures import Check, Signatures

    Progress: TypeAlias = Callable[[int, int], None]

PROGRESS_EVENTS: Final = 2_000
# A chunk is held in memory, and a delivery may have 1 MiB.
_CHUNK_ROWS: Final = 64
_POSITION_MAX: Final = 2**63 - 1
_HEAD: Final = re.compile(r"(?P<position>[0-9]{1,19}):(?P<hash>[0-9A-Fa-f]{64})")
_NOTHING: Final = Row("", 0, "", b"", 0, "", datetime.min.replace(tzinfo=UTC))
"""What the first row follows, at position 0."""

# UTC, because times of one zone are compared by the clock on the wall, which goes back once a
# year.
_SNAPSHOT: Final = f"""
    {READ_ONLY_SNAPSHOT};
    SET LOCAL TimeZone = 'UTC';
    SET LOCAL statement_timeout = 0;
    SET LOCAL work_mem = '64MB'
"""
# A time beyond Python's years comes as NULL, which no row of the ledger's has.
_WALK: Final = f"""
    SELECT {", ".join(RECORDED[:-1])},
        CASE WHEN recorded_at BETWEEN '0001-01-01' AND '9999-12-31' THEN recorded_at END,
        content_hash, hash
    FROM raphus.ledger_events ORDER BY notification_id
"""  # noqa: S608 -- constants
# The server sorts what would not fit into our memory. It groups by bytes: the same in every
# locale, and faster.
_STREAMS: Final = """
    SELECT count(*), min(notification_id) FILTER (WHERE originator_version <> expected)
    FROM (
        SELECT notification_id, originator_version, row_number() OVER (
            PARTITION BY originator_id COLLATE "C" ORDER BY notification_id
        ) AS expected FROM raphus.ledger_events
    ) AS numbered
"""
_LAST: Final = """
    SELECT notification_id, hash FROM raphus.ledger_events ORDER BY notification_id DESC LIMIT 1
"""
_NO_STEP: Final = "clock_corrections notes a step of recorded_at here that the log does not have"
_FOREIGN: Final = "or the head is another log's"
# What becomes of a time beyond Python's years does not matter: no row of the log has it.
_CORRECTIONS: Final = """
    SELECT position, least(greatest(wrong_at, '0001-01-01'), '9999-12-31'),
        least(greatest(recorded_at, '0001-01-01'), '9999-12-31')
    FROM raphus.clock_corrections ORDER BY position
"""
_HASH: Final = "SELECT hash FROM raphus.ledger_events WHERE notification_id = %s"


class Head(NamedTuple):
    """The end of a log: its last position, and the hash over everything up to there.

    Printed, it is `<position>:<hash in hexadecimal>`. An empty log ends at position 0.
    """

    position: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.position}:{self.hash.hex()}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """Read a head as it is printed.

        Raises:
            ValueError: it is none; the message tells what is expected.
        """
        match = _HEAD.fullmatch(text.strip())
        if match is None or int(match["position"]) > _POSITION_MAX:
            raise ValueError(
                "a head is <position>:<hash>, a number and 64 hexadecimal digits, as it was printed"
            )
        return cls(int(match["position"]), bytes.fromhex(match["hash"]))


class Correction(NamedTuple):
    """Where `recorded_at` steps back along the log, as a clock had been wrong before."""

    position: int
    wrong_at: datetime
    recorded_at: datetime


class Verified(NamedTuple):
    """What was found.

    `head` and `events` are of the part of the log that the walk has proved: all of it, or what
    precedes the row where the chain breaks. `missing` tells of a head that was kept elsewhere,
    and that the log, whole in itself or not, does not contain. `corrections` and
    `erasures` are of the part that
    is proved, too.
    """

    head: Head
    events: int
    fault: Fault | None
    missing: Fault | None = None
    signatures: Signatures | None = None
    corrections: tuple[Correction, ...] = ()
    erasures: tuple[FoundErasure, ...] = ()


def head(conn: Connection[Any]) -> Head:
    """Read the log's head as it stands, without proving it."""
    with conn.cursor(row_factory=tuple_row) as curs:
        last = curs.execute(_LAST).fetchone()
    return Head(*last) if last else Head(0, GENESIS)


def verify(
    conn: Connection[Any],
    *,
    against: Head | None = None,
    progress: Progress | None = None,
    signatures: Check | None = None,
) -> Verified:
    """Walk the whole log, as it is when the call begins, and find the first thing wrong with it.

    Whole means: positions are 1, 2, 3 …; every hash covers its row and the hash before;
    `recorded_at` never goes back, but where it is noted that a clock was corrected; in every
    stream versions are 1, 2, 3 … in order of position;
    every state can be decoded and is the delivery whose webhook-id stands beside it; of a state
    that was emptied, an erasure in the log names the row and what stands there since. Which
    stream and topic a body leads to is not compared: a later release may route it elsewhere.

    A log is a proof of itself only up to what can be recomputed: whoever can write to the table
    can shorten it, or rewrite its end with new hashes. That shows `against` a head that was kept
    elsewhere.

    Args:
        conn: a connection of its own, in no transaction; it only reads.
        against: a head that the log must still contain.
        progress: called with how many events were read, and how many there are; for the first
            time when the streams' versions have been looked at.
        signatures: checks a delivery's signature again; returns the reason why it is not
            verified, or None.
    """
    tally = Tally(signatures) if signatures else None
    with _snapshot(conn):
        events, misnumbered = _number_streams(conn)
        missing = _find(conn, against) if against else None
        corrections = _corrections(conn)
        emptied = EmptiedRows.read(conn)
        conn.execute(BY_INDEX)
        with closing(_entries(conn, events, progress)) as entries:
            last, broken = _walk(entries, corrections, emptied, tally)
    # The first wins; of two at one position, what the walk says is more to the point.
    faults = [fault for fault in (broken, misnumbered) if fault]
    fault = min(faults, key=lambda fault: fault.position, default=None)
    counted = tally.result() if tally else None
    proved = tuple(
        correction for correction in corrections.values() if correction.position <= last.position
    )
    reached = Head(last.position, last.hash)
    erasures = emptied.by_erasure(last.position)
    return Verified(reached, last.position, fault, missing, counted, proved, erasures)


@contextmanager
def _snapshot(conn: Connection[Any]) -> Iterator[None]:
    with conn.transaction(force_rollback=True):
        conn.execute(_SNAPSHOT)
        yield


def _number_streams(conn: Connection[Any]) -> tuple[int, Fault | None]:
    """Count the events, and find the first that does not continue its stream."""
    with conn.cursor(row_factory=tuple_row) as curs:
        events, position = curs.execute(_STREAMS).fetchone() or (0, None)
    if position is None:
        return events, None
    return events, Fault(position, "its version does not continue its stream: 1, 2, 3 … is broken")


def _find(conn: Connection[Any], against: Head) -> Fault | None:
    with conn.cursor(row_factory=tuple_row) as curs:
        held = curs.execute(_HASH, [against.position]).fetchone()
    if (held[0] if held else GENESIS if against.position == 0 else None) == against.hash:
        return None
    lacks, last = f"this log does not contain the head {against}", head(conn).position
    if last < against.position:
        shortened = f"it ends at {last}, so events were removed from its end"
        return Fault(last + 1, f"{lacks}: {shortened}, {_FOREIGN}")
    return Fault(against.position, f"{lacks}: history was rewritten, there or before, {_FOREIGN}")


def _corrections(conn: Connection[Any]) -> dict[int, Correction]:
    with conn.cursor(row_factory=tuple_row) as curs:
        return {row[0]: Correction(*row) for row in curs.execute(_CORRECTIONS)}


def _entries(
    conn: Connection[Any], events: int, progress: Progress | None
) -> Generator[Entry, None, None]:
    report = progress or _silent
    report(0, events)
    with conn.cursor(binary=True, row_factory=tuple_row) as curs:
        stream = curs.stream(_WALK, size=_CHUNK_ROWS)
        with closing(cast("Generator[tuple[Any, ...], None, None]", stream)) as rows:
            for done, columns in enumerate(rows, start=1):
                yield Entry(Row._make(columns[:-1]), columns[-1])
                if done % PROGRESS_EVENTS == 0 and done < events:
                    report(done, events)
    report(events, events)


def _silent(done: int, events: int) -> None:
    pass


def _walk(
    entries: Iterator[Entry],
    corrections: Mapping[int, Correction],
    emptied: EmptiedRows,
    tally: Tally | None,
) -> tuple[Entry, Fault | None]:
    last = Entry(_NOTHING, GENESIS)
    for entry in entries:
        row, hash_ = entry
        position = row.notification_id
        if position != last.position + 1 or linked(last.hash, row) != hash_:
            return last, diagnose(last, entry, entries)
        delivery = delivery_of(row)
        if isinstance(delivery, str):
            return last, Fault(position, delivery)
        if delivery.webhook_id != row.webhook_id:
            return last, Fault(position, "its webhook_id is not its delivery's")
        if problem := _untimely(last.row, row, corrections.get(position)):
            return last, Fault(position, problem)
        if problem := emptied.problem(row):
            return last, Fault(position, problem)
        if tally and is_signed(row.originator_id, row.topic):
            tally.take(position, delivery)
        last = entry
    beyond = [position for position in corrections if position > last.position]
    return last, Fault(min(beyond), _NO_STEP) if beyond else None


def _untimely(before: Row, row: Row, correction: Correction | None) -> str | None:
    """Tell what is wrong with a row's time, given the row before it."""
    if correction is None:
        goes_back = row.recorded_at < before.recorded_at
        return "its recorded_at is before that of the row before it" if goes_back else None
    noted = correction.wrong_at, correction.recorded_at
    return None if noted == (before.recorded_at, row.recorded_at) else _NO_STEP
