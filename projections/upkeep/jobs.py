"""The table of upkeep: what is being done, how far it is, and the last results of each kind."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

import msgspec
from psycopg.errors import LockNotAvailable
from psycopg.types.json import Jsonb

from postgres.advisory_locks import AdvisoryLock, is_held, lock_within
from postgres.statement import Statement
from projections.upkeep.findings import Ended, FoundInLog, FoundInTables, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import Connection

Kind: TypeAlias = Literal["verify", "rebuild_check", "rebuild"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
Place: TypeAlias = Literal["server", "command_line"]
KEPT_MAX: Final = 10
"""So many of each kind are kept."""
ALONE_AFTER_S: Final = 3
"""How long another job is waited for, which may just be ending, or have been killed."""
NOT_ENDED: Final = (
    "it did not come to its end: its process was stopped, or lost the database. Of a rebuild all or"
    " nothing is written"
)

_COLUMNS: Final = (
    "id, kind, place, key_name, began_at, phase, done, total, told_at,"
    " cancel_asked_at IS NOT NULL, ended_at, outcome, problem, found"
)
_ABANDON: Final = """
    UPDATE raphus.upkeep_jobs SET ended_at = told_at, outcome = 'failed', problem = %s
    WHERE ended_at IS NULL
"""
_PRUNE: Final = """
    DELETE FROM raphus.upkeep_jobs WHERE ended_at IS NOT NULL AND id IN (
        SELECT id FROM raphus.upkeep_jobs WHERE kind = %s ORDER BY id DESC OFFSET %s
    )
"""
_BEGIN: Final = """
    INSERT INTO raphus.upkeep_jobs (kind, place, key_name) VALUES (%s, 'server', %s) RETURNING id
"""
_TELL: Final = """
    UPDATE raphus.upkeep_jobs
    SET phase = %s, done = %s, total = %s, told_at = clock_timestamp() WHERE id = %s
    RETURNING cancel_asked_at IS NOT NULL
"""
_END: Final = """
    UPDATE raphus.upkeep_jobs SET ended_at = clock_timestamp(), told_at = clock_timestamp(),
        outcome = %s, problem = %s, found = %s
    WHERE id = %s
"""
_KEEP: Final = """
    INSERT INTO raphus.upkeep_jobs (kind, place, began_at, ended_at, outcome, problem, found)
    VALUES (%s, 'command_line', %s, clock_timestamp(), %s, %s, %s)
"""
_KEPT: Final = f"""
    SELECT {_COLUMNS}, ended_at IS NULL AND NOT {is_held(AdvisoryLock.UPKEEP)} AS is_lost
    FROM raphus.upkeep_jobs
    WHERE %(id)s::bigint IS NULL OR id = %(id)s ORDER BY began_at DESC, id DESC
"""  # noqa: S608 -- constants
_CANCEL: Final = """
    UPDATE raphus.upkeep_jobs SET cancel_asked_at = coalesce(cancel_asked_at, clock_timestamp())
    WHERE id = %(id)s AND ended_at IS NULL RETURNING id
"""


class UpkeepJob(msgspec.Struct, frozen=True, kw_only=True):
    """A verification, a check of the read models, or their rebuild.

    It was begun over HTTP (`place` is `server`) with the key of a name (`key` is null for the key
    of everything, and where none is asked for) or on the command line. While it runs, `outcome` is
    null and `phase`, `done` and `total` tell how far it is; `cancelling` tells that it is to end.
    The outcome is `well`, `wrong`, `mended` (what differed was written anew), `failed` (`problem`
    tells why) or `cancelled`. What was found stands in `log` or in `read_models`.
    """

    id: str
    kind: Kind
    place: Place
    key: str | None
    began_at: datetime
    ended_at: datetime | None
    phase: str | None
    done: int
    total: int
    cancelling: bool
    outcome: Outcome | None
    problem: str | None
    log: FoundInLog | None
    read_models: FoundInTables | None


def begin(conn: Connection[Any], kind: Kind, key: str | None) -> int | None:
    """Begin a job of the server's; None while another one runs, of whichever server.

    It is this connection's, in no transaction, for as long as that lasts.
    """
    try:
        lock_within(conn, AdvisoryLock.UPKEEP, ALONE_AFTER_S)
    except LockNotAvailable:
        return None
    with conn.transaction():
        conn.execute(_ABANDON, [NOT_ENDED])
        ((id_,),) = conn.execute(_BEGIN, [kind, key]).fetchall()
        conn.execute(_PRUNE, [kind, KEPT_MAX])
    return int(id_)


def tell(conn: Connection[Any], id_: int, phase: str, done: int, total: int) -> bool:
    """Keep how far a job is; tell whether somebody has asked to cancel it."""
    return conn.execute(_TELL, [phase, done, total, id_]).fetchone() == (True,)


def end(conn: Connection[Any], id_: int, ended: Ended) -> None:
    """Keep how a job has ended."""
    conn.execute(_END, [ended.outcome, ended.problem, _written(ended), id_])


def keep(conn: Connection[Any], kind: Kind, began_at: datetime, ended: Ended) -> None:
    """Keep what a command, which has ended, has found."""
    with conn.transaction():
        conn.execute(_KEEP, [kind, began_at, ended.outcome, ended.problem, _written(ended)])
        conn.execute(_PRUNE, [kind, KEPT_MAX])


def kept(id_: int | None = None) -> Statement:
    """Select all that is kept, the last begun first, or one job."""
    return Statement(_KEPT, {"id": id_})


def cancel(id_: int) -> Statement:
    """Ask a job to end; no row comes back where it has ended, or there is none."""
    return Statement(_CANCEL, {"id": id_})


def seems_lost(row: Sequence[Any]) -> bool:
    """Tell of a row of `kept` whether its job has neither ended nor a process.

    One that ended while the rows were selected seems lost, too, and does not when it is selected
    again: that it has ended is committed before the lock is free.
    """
    return bool(row[-1])


def read(row: Sequence[Any]) -> UpkeepJob:
    """Read a row of `kept`."""
    id_, kind, place, key, began_at, phase, done, total, told_at, cancelling, *ending = row
    ended_at, outcome, problem, found, is_lost = ending
    if is_lost:
        ended_at, outcome, problem = told_at, "failed", NOT_ENDED
    is_of_log = kind == "verify"
    return UpkeepJob(
        id=str(id_),
        kind=kind,
        place=place,
        key=key,
        began_at=began_at,
        ended_at=ended_at,
        phase=phase,
        done=done,
        total=total,
        cancelling=cancelling and outcome is None,
        outcome=outcome,
        problem=problem,
        log=msgspec.convert(found, FoundInLog) if found and is_of_log else None,
        read_models=None if is_of_log or not found else msgspec.convert(found, FoundInTables),
    )


def _written(ended: Ended) -> Jsonb | None:
    return None if ended.found is None else Jsonb(msgspec.to_builtins(ended.found))
