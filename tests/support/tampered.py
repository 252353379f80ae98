"""A small log, and tampering with it in SQL, as whoever owns the database can."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeAlias, cast

import psycopg
from psycopg.sql import SQL, Identifier

from ledger.integrity.hash_chain import GENESIS, Row, link
from ledger.integrity.verify import verify
from tests.support.connected import connected
from tests.support.deliveries import renewals
from tests.support.log import lines

if TYPE_CHECKING:
    from ledger.application import Ledger
    from ledger.integrity.diagnosis import Fault

Value: TypeAlias = str | int | bytes | datetime

EVENTS: Final = 60
STREAMS: Final = 4
PLACE: Final = 23
"""Where the log is tampered with: amid the second batch."""
_BATCH: Final = 15
_SET: Final = "UPDATE raphus.ledger_events SET"


def record(ledger: Ledger) -> None:
    """Record the log: in four batches, in four streams by turns."""
    for first in range(0, EVENTS, _BATCH):
        ledger.record(renewals(range(first, first + _BATCH), streams=STREAMS))


def fault(conninfo: str) -> Fault:
    """Return the fault that must be there."""
    with connected(conninfo) as conn:
        found = verify(conn).fault
    assert found is not None
    return found


def tamper(conninfo: str, statements: str) -> None:
    """Run SQL."""
    with connected(conninfo) as conn:
        conn.execute(statements.encode())


def changed(assignments: str, position: int = PLACE) -> str:
    """Set columns of a row."""
    return f"{_SET} {assignments} WHERE notification_id = {position};"


def removed(first: int, end: int) -> str:
    """Delete the rows from a position up to another."""
    positions = f"notification_id >= {first} AND notification_id < {end}"
    return f"DELETE FROM raphus.ledger_events WHERE {positions};"


def renumbered(new: str, where: str) -> str:
    """Give rows other positions."""
    # By way of negative numbers, since every number may stand but once at any moment.
    return (
        f"{_SET} notification_id = -({new}) WHERE {where};"
        f"{_SET} notification_id = -notification_id WHERE notification_id < 0;"
    )


def shifted(first: int, by: int) -> str:
    """Make room from a position on, or close a hole."""
    return renumbered(f"notification_id + {by}", f"notification_id >= {first}")


def swapped(one: int, other: int) -> str:
    """Exchange the positions of two rows."""
    return renumbered(f"{one + other} - notification_id", f"notification_id IN ({one}, {other})")


def hashes_swapped(one: int, other: int) -> str:
    """Exchange the hashes of two rows."""
    return (
        f"{_SET} hash = theirs.hash FROM raphus.ledger_events AS theirs"
        f" WHERE ledger_events.notification_id IN ({one}, {other})"
        f" AND theirs.notification_id = {one + other} - ledger_events.notification_id;"
    )


def inserted(position: int) -> str:
    """Copy the last row of the log to another position, in a stream of its own."""
    return (
        f"INSERT INTO raphus.ledger_events (originator_id, originator_version, topic, state,"
        " notification_id, webhook_id, recorded_at, hash)"
        f" SELECT 'subscription/bus_1/forged_' || {position}, 1, topic, state, {position},"
        " webhook_id, recorded_at, hash FROM raphus.ledger_events"
        " ORDER BY notification_id DESC LIMIT 1;"
    )


def rechain(conninfo: str, first: int) -> None:
    """Work out all hashes anew from a position on, as a forger who knows how would do."""
    log = lines(conninfo)
    with connected(conninfo) as conn, conn.cursor() as curs:
        previous, new = log[first - 2].hash if first > 1 else GENESIS, []
        for line in log[first - 1 :]:
            previous = link(previous, Row(*line[:7]))
            new.append((previous, line.position))
        curs.executemany(f"{_SET} hash = %s WHERE notification_id = %s".encode(), new)


def read(conn: psycopg.Connection, column: str, position: int) -> Value:
    """Return what stands in a column of a row."""
    query = SQL("SELECT {} FROM raphus.ledger_events WHERE notification_id = %s")
    ((value,),) = conn.execute(query.format(Identifier(column)), [position])
    return cast("Value", value)


def assign(conn: psycopg.Connection, column: str, value: Value, position: int) -> bool:
    """Change a column; False where another row has the value and it must be unique."""
    statement = SQL("UPDATE raphus.ledger_events SET {} = %s WHERE notification_id = %s")
    try:
        done = conn.execute(statement.format(Identifier(column)), [value, position])
    except psycopg.errors.UniqueViolation:
        return False
    return done.rowcount == 1
