"""The read models as known at a position of the log, built once and kept for a while.

Each set of tables stands in a schema of its own, named after the position. Who asks for another
one waits for it to be built, which costs about as much time and room as a rebuild of that part
of the log. The tables are unlogged, and so is the list of them: a crash of the database
empties both together.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.sql import SQL, Identifier

from ledger.following.pages import LogError
from postgres.advisory_locks import AdvisoryLock, lock, try_lock
from postgres.connections import WORKING, connect
from postgres.statement import Statement
from projections.read_models.catalogue import READ_MODELS
from projections.rebuild.staging import SETTINGS, Staging
from projections.rebuild.workers import fold_in_parts

if TYPE_CHECKING:
    from telemetry.progress import Progress

KEPT_MAX: Final = 4
"""So many are kept at the most; the one that was not used for longest gives way."""
KEPT_S: Final = 3_600
"""One that was not used for so long is dropped."""
FOLD: Final = "fold"
_PREFIX: Final = "raphus_known_"
_VIEWS: Final = (
    "customer_objects",
    "customer_identities",
    "customers",
    "anomalies",
    "settled_takings",
)
"""What queries read beside the tables, in the order in which one is made of the other."""

_USE: Final = """
    UPDATE raphus.snapshots SET used_at = clock_timestamp() WHERE position = %s RETURNING position
"""
_FORGET: Final = """
    DELETE FROM raphus.snapshots
    WHERE used_at < clock_timestamp() - make_interval(secs => %(kept_s)s)
    OR position IN (SELECT position FROM raphus.snapshots ORDER BY used_at DESC OFFSET %(kept_max)s)
"""
_LEFT: Final = """
    SELECT nspname FROM pg_namespace WHERE nspname ~ ('^' || %(prefix)s || '[0-9]+$')
    AND substr(nspname, length(%(prefix)s) + 1)::bigint NOT IN (
        SELECT position FROM raphus.snapshots
    )
"""

_TABLES: Final = """
    SELECT relname FROM pg_class
    WHERE relnamespace = to_regnamespace(quote_ident(%s)) AND relkind IN ('r', 'v')
"""
_PAUSE_S: Final = 0.05
KEPT: Final = Statement(
    # What has just been dropped has no size.
    "SELECT s.position, (SELECT recorded_at FROM raphus.ledger_events"
    " WHERE notification_id = s.position), s.used_at, coalesce((SELECT sum("
    "coalesce(pg_total_relation_size(c.oid), 0)) FROM pg_class AS c WHERE c.relkind = 'r' AND"
    " c.relnamespace = to_regnamespace(%(prefix)s || s.position)), 0)::bigint"
    " FROM raphus.snapshots AS s ORDER BY s.used_at DESC",
    {"prefix": _PREFIX},
)
"""Selects the snapshots, the last used first: the position, when its event was recorded, when it
was used, and how many bytes it takes."""


def schema_at(position: int) -> str:
    """Return the schema in which the read models stand as known at a position."""
    return f"{_PREFIX}{position}"


def provide(conninfo: str, position: int, progress: Progress) -> None:
    """Build the snapshot at a position, unless it stands, and note that it is used.

    One is built at a time; then what has not been used for long is dropped. `progress` is told
    how many of how many events have been folded; it may raise, to cancel.

    Raises:
        FoldingError, LogError: it cannot be built.
        psycopg.Error: the database went away; what was built counts for nothing.
    """
    with connect(conninfo, WORKING, "raphus-known") as conn:
        conn.execute(SETTINGS)
        if _use(conn, position):
            return
        lock(conn, AdvisoryLock.SNAPSHOTS)
        if _use(conn, position):  # somebody has built it meanwhile
            return
        staging = Staging(schema_at(position), READ_MODELS)
        try:
            staging.create(conn, indexed=True)
            _fold(conninfo, staging, position, progress)
            _finish(conn, staging, position)
        except BaseException:
            if not conn.closed:
                staging.drop(conn)
            raise
        _drop_unused(conn)


def drop_unused(conninfo: str) -> None:
    """Drop those that have not been used for long, those above the limit, and those unfinished.

    Where one is being built or dropped already, nothing is done.
    """
    with connect(conninfo, WORKING, "raphus-known") as conn:
        if try_lock(conn, AdvisoryLock.SNAPSHOTS):
            _drop_unused(conn)


def drop_all(conn: psycopg.Connection[Any], wait_s: float) -> None:
    """Drop every snapshot, finished or not, in the transaction of a caller who holds their lock.

    Readers are waited for with nothing of theirs held, so that no two wait for each other.

    Raises:
        psycopg.errors.LockNotAvailable: they read for all of the time.
    """
    conn.execute("DELETE FROM raphus.snapshots")
    give_up_at = time.monotonic() + wait_s
    for (schema,) in conn.execute(_LEFT, {"prefix": _PREFIX}).fetchall():
        while not _is_taken(conn, schema):
            if time.monotonic() > give_up_at:
                raise psycopg.errors.LockNotAvailable
            time.sleep(_PAUSE_S)
        conn.execute(SQL("DROP SCHEMA {} CASCADE").format(Identifier(schema)))


def _is_taken(conn: psycopg.Connection[Any], schema: str) -> bool:
    """Lock all tables of a schema, unless one of them is in use."""
    names = [Identifier(schema, name) for (name,) in conn.execute(_TABLES, [schema])]
    if not names:
        return True
    try:
        with conn.transaction():
            statement = SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE NOWAIT")
            conn.execute(statement.format(SQL(", ").join(names)))
    except psycopg.errors.LockNotAvailable:
        return False
    return True


def _use(conn: psycopg.Connection[Any], position: int) -> bool:
    return conn.execute(_USE, [position]).fetchone() is not None


def _fold(conninfo: str, staging: Staging, position: int, progress: Progress) -> None:
    done = 0
    progress(FOLD, 0, position)
    for events in fold_in_parts(conninfo, staging, position):
        done += events
        progress(FOLD, done, position)
    if done != position:
        raise LogError(f"of the {position} events that had been recorded, the log has {done}")


def _finish(conn: psycopg.Connection[Any], staging: Staging, position: int) -> None:
    with conn.transaction():
        for model in staging.models:
            staging.fill(conn, model)
            staging.derive(conn, model)
            conn.execute(SQL("ANALYZE {}").format(Identifier(staging.schema, model.table)))
        for name in _VIEWS:
            # Written without schemas, a view's text fits every schema.
            conn.execute("SET LOCAL search_path = raphus")
            ((text,),) = conn.execute("SELECT pg_get_viewdef(%s::regclass)", [name]).fetchall()
            conn.execute(SQL("SET LOCAL search_path = {}").format(Identifier(staging.schema)))
            conn.execute(SQL("CREATE VIEW {} AS ").format(Identifier(name)) + SQL(text))
        conn.execute(
            "INSERT INTO raphus.snapshots (position, used_at) VALUES (%s, clock_timestamp())",
            [position],
        )


def _drop_unused(conn: psycopg.Connection[Any]) -> None:
    conn.execute(_FORGET, {"kept_s": KEPT_S, "kept_max": KEPT_MAX})
    for (schema,) in conn.execute(_LEFT, {"prefix": _PREFIX}).fetchall():
        with conn.transaction():
            # An export may read it for long; then it goes the next time.
            if _is_taken(conn, schema):
                conn.execute(SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(Identifier(schema)))
