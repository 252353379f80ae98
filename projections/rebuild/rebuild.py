"""The read models written anew from history, compared, and made what history says.

The server keeps serving. Everything is prepared in tables beside the live ones and compared in
one snapshot, while readers and the follower go on. Only while what differs is written does the
follower wait, in one transaction: a rebuild that dies leaves the live tables as they were.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import psycopg
from psycopg.sql import SQL, Identifier

from ledger.following.checkpoint import Checkpoint, ProjectionTracking
from ledger.following.leader import LEDGER_CHANNEL
from ledger.following.pages import PAGE_EVENTS_MAX, LogError, hash_at, next_page, rewritten
from ledger.integrity.hash_chain import GENESIS
from ledger.mapper import LedgerMapper
from postgres.advisory_locks import AdvisoryLock, lock_within
from postgres.connections import WORKING, Connection, connect
from postgres.snapshot import REPEATABLE_READ
from projections.folds import store
from projections.live.projector import Projector
from projections.read_models.catalogue import READ_MODELS
from projections.rebuild.folds_check import compare_folds
from projections.rebuild.kept_sums import compare_kept, fill_kept, kept_beside
from projections.rebuild.side_by_side import one_snapshot, side_by_side
from projections.rebuild.staging import SETTINGS, Staging
from projections.rebuild.table_diff import Comparison
from projections.rebuild.workers import FoldingError, cores, fold_in_parts
from telemetry.redaction import origin_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from projections.read_model import ReadModel
    from projections.rebuild.side_by_side import Work
    from projections.rebuild.table_diff import Difference
    from telemetry.progress import Progress

T = TypeVar("T")
SCHEMA: Final = "raphus_rebuild"
FOLD: Final = "fold"
"""The phase that reads the log; its numbers are events."""
INDEX, CATCH_UP, COMPARE, WRITE = "index", "catch up", "compare", "write"
"""The phases after it; their numbers are tables, but for the events to catch up with."""
_ROUGHLY: Final = "SET default_statistics_target = 10"
"""Enough to compare whole tables, and to catch up by indexes; it takes a tenth of the time."""
ALONE_AFTER_S: Final = 3
"""How long another rebuild is waited for, which may just be ending."""


class RebuildError(Exception):
    """A rebuild cannot be done; the live tables are as they were. The message tells why."""


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild found, and the position of the log at which it compared."""

    position: int
    differences: list[Difference]

    @property
    def equal(self) -> bool:
        """Whether the live tables were right, every value of every row."""
        return all(difference.none for difference in self.differences)


def rebuild(
    conninfo: str,
    models: Sequence[ReadModel],
    *,
    check: bool,
    progress: Progress,
) -> Rebuilt:
    """Write read models anew from the log, compare, and unless `check` make the live ones equal.

    What is grouped is rebuilt with what it follows from, whichever of them is asked for; what is
    derived brings what it follows from.

    `progress` is called with the phase, and how much of how much is done. It may raise, to
    cancel: up to its last call nothing has changed.

    Raises:
        RebuildError: another rebuild runs, or a process that helps has died.
        LogError: the log has a hole, ends before where the read models stand, or is not the one
            that they have followed.
        psycopg.Error: the database went away; nothing has changed.
    """
    staging = Staging(SCHEMA, _together(models))
    with ExitStack() as stack:
        conn, *others = (stack.enter_context(_connected(conninfo)) for _ in range(cores()))
        _be_alone(conn)
        run = _Run(staging, [conn, *others], progress)
        try:
            if not check:
                # What was stored while its type was unknown goes into its aggregate.
                Projector(LedgerMapper()).adopt_all(conn)
            staging.create(conn)
            run.load(conninfo)
            run.catch_up_from_afar()
            rebuilt = run.compare()
            if not check and (run.missed or not rebuilt.equal):
                run.write(rebuilt)
            return rebuilt
        except FoldingError as error:
            raise RebuildError(str(error)) from error
        finally:
            if not conn.closed:
                staging.drop(conn)


def _together(models: Sequence[ReadModel]) -> list[ReadModel]:
    asked = {model.table for model in models}
    for model in READ_MODELS:
        if model.grouped and asked & {model.table, model.grouped.source}:
            asked |= {model.table, model.grouped.source}
        if model.derived and model.table in asked:
            asked |= model.follows
    return [model for model in READ_MODELS if model.table in asked]


def drop_leftovers(conn: psycopg.Connection[Any]) -> None:
    """Drop what a rebuild that was killed has left; the caller holds the lock of rebuilds."""
    Staging(SCHEMA, ()).drop(conn)


def _connected(conninfo: str) -> Connection:
    conn = connect(conninfo, WORKING, "raphus-rebuild")
    conn.execute(SETTINGS)
    conn.execute(_ROUGHLY)
    return conn


def _be_alone(conn: psycopg.Connection[Any]) -> None:
    # One that has just ended, or was killed, is gone once its server process has noticed.
    try:
        lock_within(conn, AdvisoryLock.REBUILD, ALONE_AFTER_S)
    except psycopg.errors.LockNotAvailable as error:
        raise RebuildError("another rebuild, or an erasure, is running on this database") from error


class _Run:
    """One rebuild on its way; `_reached` is how much of the log the staged tables show.

    The first of the connections holds the lock, and writes what is live. `missed` says how many
    events the read models had not taken when they were compared, if all of them are rebuilt.
    """

    def __init__(self, staging: Staging, conns: Sequence[Connection], progress: Progress) -> None:
        self._staging = staging
        self._conns = conns
        self._conn = conns[0]
        self._progress = progress
        self._tracking = ProjectionTracking()
        self._projector = Projector(LedgerMapper(), staging.models, staging.schema)
        self._comparisons = [Comparison(staging.schema, model) for model in staging.models]
        self._reached = Checkpoint(0, GENESIS, 0)
        self._indexed: set[str] = set()
        self.missed = 0

    def load(self, conninfo: str) -> None:
        """Fold what the live tables show: what comes later is caught up with while they stand."""
        self._reached = self._confirmed(self._tracking.checkpoint(self._conn))
        until = self._reached.position
        self._progress(FOLD, 0, until)
        done = 0
        for events in fold_in_parts(conninfo, self._staging, until):
            done += events
            self._progress(FOLD, done, until)
        if done != until:
            raise LogError(f"of the {until} events that have been read, the log has {done}")
        models = self._staging.models
        following = [model for model in models if model.follows]
        followed = frozenset().union(*(model.follows for model in following))
        works = (
            [partial(self._staging.look_at, model=one) for one in models if one.table in followed],
            [partial(self._staging.follow, model=one) for one in following],
        )
        for some in filter(None, works):
            side_by_side(self._conns, some, self._telling(INDEX, len(some)))

    def catch_up_from_afar(self) -> None:
        """Come so near to the live tables that as a rule nothing is left to catch up with."""
        until = self._tracking.checkpoint(self._conn)
        self._index(self._to_take(until))
        while until.position - self._reached.position > PAGE_EVENTS_MAX:
            self._catch_up(until)
            until = self._tracking.checkpoint(self._conn)
        self._catch_up(until)

    def compare(self) -> Rebuilt:
        """Compare in one snapshot, in which the live tables and their position agree."""
        while True:
            with self._conn.transaction():
                self._conn.execute(REPEATABLE_READ)
                live = self._tracking.checkpoint(self._conn)
                if not (lacking := self._to_take(live)):
                    return self._compared(live)
            self._index(lacking)

    def _compared(self, live: Checkpoint) -> Rebuilt:
        before = self._reached.position
        self._catch_up(live)
        if len(self._staging.models) == len(READ_MODELS):
            self.missed = live.position - live.events
        # What has just been caught up with, only this transaction sees.
        alone = self._reached.position > before
        differences = self._differences(self._conns[:1] if alone else self._conns, live)
        return Rebuilt(self._reached.position, differences)

    def _differences(self, conns: Sequence[Connection], live: Checkpoint) -> list[Difference]:
        of_folds = partial(compare_folds, mapper=LedgerMapper(), until=live.position)
        kept = [partial(compare_kept, table=table) for table in kept_beside(self._staging.models)]
        works: list[Work[Difference]] = [
            of_folds,
            *(comparison.compare for comparison in self._comparisons),
            *kept,
        ]
        with one_snapshot(conns):
            folds, *others = side_by_side(conns, works, self._telling(COMPARE, len(works)))
        compared = len(self._comparisons)
        return [*others[:compared], folds, *others[compared:]]

    def write(self, rebuilt: Rebuilt) -> None:
        """Write the rows that differed, as they are now, while the follower waits.

        The others were equal, and what the follower has done to them since, from the same
        events, has been done to the staged ones too.
        """
        self._index(self._to_write(rebuilt))
        while True:
            with self._conn.transaction():
                live = self._tracking.hold(self._conn)
                # Wakes the follower, which has passed over what it could not have.
                self._conn.execute(SQL("NOTIFY {}").format(Identifier(LEDGER_CHANNEL)))
                if not (lacking := self._to_take(live) or self._to_write(rebuilt)):
                    self._catch_up(live)
                    self._write(rebuilt)
                    return
            self._index(lacking)

    def _write(self, rebuilt: Rebuilt) -> None:
        store.delete_all(self._conn)
        for comparison, differs in self._each(WRITE, self._found(rebuilt)):
            if differs:
                comparison.apply(self._conn)
        differing = {difference.table for difference in rebuilt.differences if not difference.none}
        for table in kept_beside(self._staging.models):
            if table in differing:
                fill_kept(self._conn, table)
        if self.missed:
            self._tracking.correct(self._conn, self._reached.hash, self.missed)

    def _found(self, rebuilt: Rebuilt) -> list[tuple[Comparison, bool]]:
        # Behind the tables stand the stored folds, which are made anew as streams go on, and
        # what is kept beside tables, which triggers change by what they see written.
        compared = zip(self._comparisons, rebuilt.differences, strict=False)
        return [(comparison, not difference.none) for comparison, difference in compared]

    def _to_take(self, until: Checkpoint) -> list[ReadModel]:
        """Return those that lack the keys by which rows are replaced, if any are to be."""
        models = self._staging.models if until.position > self._reached.position else ()
        return [model for model in models if model.table not in self._indexed]

    def _to_write(self, rebuilt: Rebuilt) -> list[ReadModel]:
        """Return those that lack the keys by which what differs is found."""
        return [
            comparison.model
            for comparison, differs in self._found(rebuilt)
            if differs
            and comparison.model.table not in self._indexed
            and not comparison.is_to_be_filled(self._conn)
        ]

    def _index(self, models: Sequence[ReadModel]) -> None:
        if models:
            works = [partial(self._staging.index, model=model) for model in models]
            side_by_side(self._conns, works, self._telling(INDEX, len(models)))
            self._indexed |= {model.table for model in models}

    def _telling(self, phase: str, total: int) -> Callable[[int], None]:
        return lambda done: self._progress(phase, done, total)

    def _each(self, phase: str, items: Sequence[T]) -> Iterator[T]:
        for number, item in enumerate(items):
            self._progress(phase, number, len(items))
            yield item
        self._progress(phase, len(items), len(items))

    def _confirmed(self, live: Checkpoint) -> Checkpoint:
        """Return the checkpoint as it must be, if this is the log that was followed.

        Where events were skipped (an older release counts none), the hash may be of the last
        event that was counted.
        """
        hash_ = hash_at(self._conn, live.position)
        if hash_ is None or live.hash not in {hash_, hash_at(self._conn, live.events)}:
            raise LogError(rewritten(live.position, hash_))
        return Checkpoint(live.position, hash_, live.position)

    def _catch_up(self, until: Checkpoint) -> None:
        """Take the events up to the live checkpoint into the staged tables."""
        began = self._reached.position
        while self._reached.position < until.position:
            self._progress(CATCH_UP, self._reached.position - began, until.position - began)
            self._take(until.position)
        if self._reached.position > until.position:
            raise LogError(f"the read models went back to position {until.position} meanwhile")
        if until.events == until.position and until.hash != self._reached.hash:
            raise LogError(rewritten(until.position, self._reached.hash))

    def _take(self, until: int) -> None:
        """Take the next page, but nothing beyond a position."""
        reached = self._reached
        page = next_page(self._conn, reached, min(PAGE_EVENTS_MAX, until - reached.position))
        if page is None:
            raise LogError(f"position {until} has been read, but the log ends before it")
        try:
            self._projector.write(self._conn, page)
        except (LogError, psycopg.Error):
            raise
        except Exception as error:
            raise RebuildError(
                f"positions {page.after + 1} to {page.last} cannot be folded: {origin_of(error)}"
            ) from error
        self._reached = Checkpoint(page.last, page.hash, reached.events + page.events)
