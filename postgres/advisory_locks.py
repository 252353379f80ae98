"""What only one process of all on a database does at a time, and the numbers of its locks.

A session's lock is freed by the server when its connection ends, however the process ends.
"""

from __future__ import annotations

from enum import IntEnum, unique
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import psycopg

_LOCK: Final = "SELECT pg_advisory_lock(%s)"
_LOCK_IN_TRANSACTION: Final = "SELECT pg_advisory_xact_lock(%s)"
_TRY: Final = "SELECT pg_try_advisory_lock(%s)"
_UNLOCK: Final = "SELECT pg_advisory_unlock(%s)"


@unique
class AdvisoryLock(IntEnum):
    """Every number that is taken; the servers of other releases take the same ones."""

    APPEND = 727_048_053
    """Giving positions in the log: taken with the table's oid as the second of two int4 keys."""
    MIGRATE = 7_270_480_530_001
    """Applying migrations, or making the tables of a backup."""
    FOLLOW = 7_270_480_530_002
    """Leading: taking pages of the log into the read models."""
    REBUILD = 7_270_480_530_003
    """Rebuilding read models, in the one schema that there is for it."""
    SNAPSHOTS = 7_270_480_530_004
    """Building and dropping the read models as known at a position."""
    OUTBOX = 7_270_480_530_005
    """Leading: taking pages of the log into Windmill's outbox."""
    DISPATCH = 7_270_480_530_006
    """Leading: sending jobs from the outbox to Windmill."""
    REPLAY = 7_270_480_530_007
    """Queueing past events again, each of which is counted up from the last time."""
    RECONCILE = 7_270_480_530_008
    """Reading Dodo's API into the log: an import, or a reconciliation."""
    UPKEEP = 7_270_480_530_009
    """Proving the log, or rebuilding read models, for whoever asked a server for it."""
    ANNOUNCE = 7_270_480_530_010
    """Leading: telling what has changed, as events of our own."""


def is_held(which: AdvisoryLock) -> str:
    """Return the SQL condition that somebody holds a lock for as long as his connection lasts."""
    of_this_database = "(SELECT oid FROM pg_database WHERE datname = current_database())"
    key = f"(classid::bigint << 32) | objid::bigint = {which.value} AND objsubid = 1"
    held = f"locktype = 'advisory' AND granted AND {key} AND database = {of_this_database}"
    return f"EXISTS (SELECT FROM pg_locks WHERE {held})"


def lock(conn: psycopg.Connection[Any], which: AdvisoryLock) -> None:
    """Wait for a lock, and hold it for as long as the connection lasts.

    Raises:
        psycopg.errors.LockNotAvailable: others held it for all of `lock_timeout`.
    """
    conn.execute(_LOCK, [which.value])


def lock_within(conn: psycopg.Connection[Any], which: AdvisoryLock, wait_s: float) -> None:
    """Take a lock as `lock` does, but wait for so long; the connection is in no transaction.

    Raises:
        psycopg.errors.LockNotAvailable: others held it for all of that.
    """
    with conn.transaction():
        conn.execute(f"SET LOCAL lock_timeout = '{wait_s}s'")
        lock(conn, which)


def lock_in_transaction(conn: psycopg.Connection[Any], which: AdvisoryLock) -> None:
    """Wait for a lock, and hold it until the caller's transaction ends.

    Raises:
        psycopg.errors.LockNotAvailable: others held it for all of `lock_timeout`.
    """
    conn.execute(_LOCK_IN_TRANSACTION, [which.value])


def try_lock(conn: psycopg.Connection[Any], which: AdvisoryLock) -> bool:
    """Take a lock for as long as the connection lasts, unless another connection holds it."""
    return conn.execute(_TRY, [which.value]).fetchone() == (True,)


def unlock(conn: psycopg.Connection[Any], which: AdvisoryLock) -> None:
    """Give a lock back at once: the server notices a closed connection a moment later."""
    conn.execute(_UNLOCK, [which.value])


async def try_lock_async(conn: psycopg.AsyncConnection[Any], which: AdvisoryLock) -> bool:
    """Take a lock as `try_lock` does."""
    cursor = await conn.execute(_TRY, [which.value])
    return await cursor.fetchone() == (True,)
