"""Rebuild: the read models written anew from history, compared with the live ones, and swapped.

The server keeps serving: everything is prepared in tables beside the live ones. Only while the
last events are caught up with, the rows compared and what differs is written does the follower
wait, in one transaction, so that whoever dies leaves the live tables as they were.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from domain.mapper import LedgerMapper
from projections.catalogue import READ_MODELS
from projections.difference import Comparison
from projections.follower import LEDGER_CHANNEL
from projections.log import PAGE_EVENTS_MAX, next_page
from projections.projector import Projector
from projections.staging import Staging
from projections.tracking import ProjectionTracking

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.process import BaseProcess
    from typing import TypeAlias

    from projections.difference import Difference
    from projections.read_model import ReadModel

    Pipe: TypeAlias = Connection[Any, Any]
    Progress: TypeAlias = Callable[[str, int, int], None]

SCHEMA: Final = "raphus_rebuild"
PARTS_MAX: Final = 4
_DONE: Final = -1
# Any number will do, as long as every rebuild of a database takes the same.
_LOCK: Final = 7_270_480_530_003


class RebuildError(Exception):
    """A rebuild cannot be done; the live tables are as they were. The message tells why."""


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild found, and the position of the log up to which it compared."""

    position: int
    differences: list[Difference]

    @property
    def equal(self) -> bool:
        """Whether the live tables were right, to the byte."""
        return all(difference.none for difference in self.differences)


def rebuild(
    conninfo: str,
    models: Sequence[ReadModel],
    *,
    check: bool,
    progress: Progress,
) -> Rebuilt:
    """Write read models anew from the log, compare, and unless `check` make the live ones equal.

    `progress` is told the phase, and how many of how many events are done. It may raise, to
    cancel.

    Raises:
        RebuildError: another rebuild runs, or a process that helps has died.
        psycopg.Error: the database went away; nothing has changed.
    """
    staging = Staging(SCHEMA, models)
    with psycopg.connect(conninfo, autocommit=True) as conn:
        if conn.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK]).fetchone() != (True,):
            raise RebuildError("another rebuild is running on this database")
        staging.create(conn)
        try:
            # What the live tables show: what comes later is caught up with while they stand.
            shown = ProjectionTracking().position(conn)
            _load(staging, conninfo, shown, progress)
            progress("index", 0, 1)
            staging.index(conn)
            _catch_up(staging, conn, shown, shown := ProjectionTracking().position(conn))
            return _swap(staging, conn, shown, check=check, progress=progress)
        finally:
            if not conn.closed:
                staging.drop(conn)


def _load(staging: Staging, conninfo: str, until: int, progress: Progress) -> None:
    """Let a process a core fold its part of the log."""
    parts = max(1, min(os.cpu_count() or 1, PARTS_MAX))
    context = multiprocessing.get_context("spawn")
    helpers: dict[Pipe, BaseProcess] = {}
    for part in range(parts):
        reading, writing = context.Pipe(duplex=False)
        tables = [model.table for model in staging.models]
        arguments = (writing, staging.schema, tables, conninfo, until, (part, parts))
        process: BaseProcess = context.Process(target=_load_part, args=arguments, daemon=True)
        process.start()
        writing.close()
        helpers[reading] = process
    try:
        _watch(list(helpers), until, progress)
    finally:
        for process in helpers.values():
            process.terminate()
            process.join()


def _load_part(
    told: Pipe,
    schema: str,
    tables: Sequence[str],
    conninfo: str,
    until: int,
    part: tuple[int, int],
) -> None:
    # Folding makes millions of small objects, and no cycles.
    gc.disable()
    condition = SQL("notification_id <= {}").format(Literal(until))
    models = [model for model in READ_MODELS if model.table in tables]
    Staging(schema, models).load(conninfo, condition, part, told.send)
    told.send(_DONE)


def _watch(pipes: list[Pipe], until: int, progress: Progress) -> None:
    done, working = 0, set(pipes)
    while working:
        progress("fold", done, until)
        for pipe in wait(working):
            assert isinstance(pipe, Connection)
            try:
                told = pipe.recv()
            except EOFError:
                raise RebuildError("a process that folds the log has died") from None
            if told == _DONE:
                working.remove(pipe)
            else:
                done += told
    progress("fold", until, until)


def _catch_up(staging: Staging, conn: psycopg.Connection[Any], after: int, until: int) -> None:
    """Take the events after a position, up to another one, into the staged tables."""
    projector = Projector(LedgerMapper(), staging.models, staging.schema)
    while after < until:
        page = next_page(conn, after, min(PAGE_EVENTS_MAX, until - after))
        assert page is not None, "the log has been longer"
        projector.write(conn, page)
        after = page.last


def _swap(
    staging: Staging, conn: psycopg.Connection[Any], after: int, *, check: bool, progress: Progress
) -> Rebuilt:
    """Hold the follower, compare at its position, and write what differs: one transaction."""
    with conn.transaction():
        position = ProjectionTracking().hold(conn)
        _catch_up(staging, conn, after, position)
        differences = []
        for number, model in enumerate(staging.models):
            progress("compare", number, len(staging.models))
            comparison = Comparison(staging.schema, model)
            differences.append(comparison.compare(conn))
            if not (check or differences[-1].none):
                comparison.apply(conn)
        # The last chance to cancel: after this comes the commit.
        progress("compare", len(staging.models), len(staging.models))
        conn.execute(SQL("NOTIFY {}").format(Identifier(LEDGER_CHANNEL)))
    return Rebuilt(position, differences)
