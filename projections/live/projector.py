"""Takes the next page of the log into the read models, in one transaction."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from itertools import chain, groupby, starmap
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from domain.aggregates.factory import aggregate
from ledger.following.checkpoint import ProjectionTracking
from ledger.following.homes import settle
from ledger.following.pages import PAGE_EVENTS_MAX, histories, whole_histories
from ledger.following.taking import PageError, PageLimits, take
from postgres.together import together
from projections.batches import AT_ONCE_MAX, batches, kind_of
from projections.folds.going_on import GoingOn, Taken, TooLongError
from projections.live.composed import composed
from projections.live.upsert import emptying
from projections.read_models.catalogue import READ_MODELS
from projections.read_models.timeline import TIMELINE, entries_after

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from psycopg import Connection

    from domain.aggregate import Aggregate
    from domain.timeline import Entry
    from ledger.following.pages import Page
    from ledger.mapper import LedgerMapper
    from postgres.together import Sent
    from projections.live.regrouping import Group
    from projections.live.upsert import Replacement
    from projections.live.writing import Staged, Writing
    from projections.read_model import ReadModel, Row

LIVE: Final = "raphus"
"""The schema of the tables that queries read."""
_REWRITTEN_AT_ONCE: Final = 200
_ALWAYS: Final = datetime.min.replace(tzinfo=UTC)
CHANNEL: Final = "projections"
"""Notified of the new position, as text, when a page is committed."""


class Projected(NamedTuple):
    """A page that has been committed.

    `entries` are the facts that its events brought. `lag_s` is the age of the first of them.
    """

    position: int
    events: int
    entries: list[Entry]
    lag_s: float


class Projector:
    """Makes the read models follow the log, page by page, each page all or nothing."""

    def __init__(
        self,
        mapper: LedgerMapper,
        models: Sequence[ReadModel] = READ_MODELS,
        schema: str = LIVE,
    ) -> None:
        self._mapper = mapper
        self._models = tuple(models)
        self._schema = schema
        self._tracking = ProjectionTracking(channel=CHANNEL)
        self._adopted_to = 0
        self._has_adopted_all = False
        self._composed = composed(self._models, schema)
        self._emptied = [model for model in self._models if model.streams or model.derived]
        # What is not live is written once.
        self._going_on = GoingOn(mapper) if schema == LIVE else None
        self._kinds = frozenset().union(*(model.streams for model in models))

    def project(self, conn: Connection[Any], events_max: int = PAGE_EVENTS_MAX) -> Projected | None:
        """Project the next page; None at the end of the log, or while a rebuild holds it.

        Raises:
            LogError: the log does not go on where, and as, the read models have followed it.
            PageError: the page cannot be projected; nothing of it is.
            psycopg.OperationalError: the database is away; what was committed is not known.
        """
        entries: list[Entry] = []

        def write(page: Page) -> list[Sent]:
            entries[:], last = self._taken(conn, page)
            return last

        try:
            page = take(conn, self._tracking, write, PageLimits(events_max, behind_folds=True))
        except PageError as error:
            if not isinstance(error.__cause__, TooLongError):
                raise
            page = take(conn, self._tracking, write, PageLimits(events_max))
        if page is None:
            return None
        if self._going_on is not None:
            self._going_on.committed()
        if self._adopted_to == page.after:
            self._adopted_to = page.last
        else:  # another follower has taken pages in between, maybe one of an older release
            self._has_adopted_all = False
        lag_s = (datetime.now(UTC) - page.recorded_at).total_seconds()
        return Projected(page.last, page.events, entries, lag_s)

    def write(self, conn: Connection[Any], page: Page) -> list[Entry]:
        """Write the rows of the page's streams; return the facts that its events brought.

        Raises:
            LogError: an event of the page is not in its stream's history.
        """
        entries, last = self._taken(conn, page)
        together(conn, last)
        return entries

    def _taken(self, conn: Connection[Any], page: Page) -> tuple[list[Entry], list[Sent]]:
        """Do the same, but for the last statements, which are returned too."""
        staged: dict[str, list[Staged]] = {}
        touched: dict[str, datetime] = {}
        entries: list[Entry] = []
        with closing(self._touched(conn, page)) as streams:
            for anew, some in streams:
                if anew:  # a part of a stream, whose rows stand before those of the next one do
                    together(conn, self._write(conn, staged, {}))
                    entries += entries_after(self._rows_of(TIMELINE, staged), page.after)
                    staged = {}
                new = [_new(one, page) for one in some]
                _note(touched, some, new)
                if (begun := self._staged_in(staged, kind_of(some[0]))) is not None:
                    writing, rows = begun
                    if anew:
                        writing.stage_all(rows, some, losing=True)
                    else:
                        writing.stage(rows, some, new)
        folds = [*self._going_on.store()] if self._going_on is not None else []
        last = self._write(conn, staged, touched, before=folds)
        entries += entries_after(self._rows_of(TIMELINE, staged), page.after)
        return entries, last

    def _touched(
        self, conn: Connection[Any], page: Page
    ) -> Generator[tuple[bool, list[Aggregate]]]:
        """Give the aggregates that a page touches together, but each part that is anew alone."""
        with closing(self._streams(conn, page)) as taken:
            for anew, those in groupby(taken, key=attrgetter("anew")):
                streams = (stream for stream, _ in those)
                for some in batches(streams, 1 if anew else AT_ONCE_MAX):
                    yield anew, some

    def _streams(self, conn: Connection[Any], page: Page) -> Generator[Taken]:
        if self._going_on is not None:
            yield from self._going_on.of_page(conn, page)
            return
        with closing(histories(conn, page, self._mapper)) as streams:
            yield from map(Taken, starmap(aggregate, streams))

    def adopt(self, conn: Connection[Any], *, wait: bool = False) -> int:
        """Take notices whose type is understood by now into the aggregates that they tell of.

        Those up to the checkpoint are meant, some at a time, which is one transaction; later ones
        are read with their pages. Returns how many have found a home: 0 where none is left, or
        while somebody else holds the checkpoint, unless it is to `wait`.

        Raises:
            psycopg.OperationalError: the database is away; what was committed is not known.
        """
        found = 0
        if self._has_adopted_all and not wait:
            return 0
        while not found:
            with conn.transaction():
                hold = self._tracking.hold if wait else self._tracking.take
                live = hold(conn)
                self._has_adopted_all = live is not None and live.position <= self._adopted_to
                if live is None or self._has_adopted_all:
                    return 0
                settled = settle(conn, self._mapper, self._adopted_to, live.position)
                if settled.events:
                    touched = sorted(settled.new_homes | settled.moved)
                    self.rewrite(conn, touched, live.position)
            found, self._adopted_to = settled.events, settled.last
        return found

    def _staged_in(
        self, staged: dict[str, list[Staged]], kind: str
    ) -> tuple[Writing, list[Staged]] | None:
        """Return what writes the rows of streams of a kind, and what is staged of them, if any."""
        if kind not in self._kinds:
            return None
        writing = self._composed.writing(kind)
        if kind not in staged:
            staged[kind] = writing.begin()
        return writing, staged[kind]

    def _rows_of(self, model: ReadModel, staged: Mapping[str, Sequence[Staged]]) -> Iterator[Row]:
        for kind, of_kind in staged.items():
            for one, (rows, _) in zip(self._composed.models_of(kind), of_kind, strict=True):
                if one is model:
                    yield from rows

    def _write(
        self,
        conn: Connection[Any],
        staged: Mapping[str, list[Staged]],
        touched: Mapping[str, datetime],
        *,
        before: Sequence[Sent] = (),
        groups: Sequence[set[Group]] | None = None,
    ) -> list[Sent]:
        """Write what is staged, and what follows from streams touched from an instant on each.

        Returns what writes the `groups`, and those of rows that this has changed: the last
        statements, which nothing else asks about. Others are sent `before`.
        """
        writes = [self._composed.writing(kind).write(of_kind) for kind, of_kind in staged.items()]
        written = [one for one in writes if one is not None]
        affected = [*self._affected(touched, staged)] if touched else []
        answers = together(conn, [*before, *written, *(sent for _, sent in affected)])
        changed = [*groups] if groups is not None else [set() for _ in self._composed.regroupings]
        for number, group in chain.from_iterable(answers[len(before) :][: len(written)]):
            changed[number].add(tuple(group))
        for (replacement, _), rows in zip(
            affected, answers[len(before) + len(written) :], strict=True
        ):
            self._derive(conn, replacement, [stream for (stream,) in rows])
        regrouped = zip(self._composed.regroupings, changed, strict=True)
        return [regrouping.write(of_it) for regrouping, of_it in regrouped if of_it]

    def adopt_all(self, conn: Connection[Any]) -> None:
        """Do the same to the checkpoint, whoever else holds it in between."""
        while self.adopt(conn, wait=True):
            pass

    def rewrite(self, conn: Connection[Any], streams: Sequence[str], until: int) -> None:
        """Write all rows of streams anew, from what stands in the log up to a position.

        It is for streams whose events have been emptied, or have moved, in the same transaction;
        the checkpoint is held, and is the position.
        """
        for first in range(0, len(streams), _REWRITTEN_AT_ONCE):
            self._rewrite(conn, streams[first : first + _REWRITTEN_AT_ONCE], until)

    def _rewrite(self, conn: Connection[Any], streams: Sequence[str], until: int) -> None:
        # What a row that goes away was in a group with is known before it goes.
        touched = [one.groups(conn, streams) for one in self._composed.regroupings]
        for model in self._emptied:
            conn.execute(emptying(model, self._schema), [list(streams)])
        staged: dict[str, list[Staged]] = {}
        with closing(whole_histories(conn, self._mapper, streams, until)) as whole:
            for some in batches(starmap(aggregate, whole)):
                if (begun := self._staged_in(staged, kind_of(some[0]))) is not None:
                    writing, rows = begun
                    writing.stage_all(rows, some)
        since = dict.fromkeys(streams, _ALWAYS)
        together(conn, self._write(conn, staged, since, groups=touched))

    def _affected(
        self, touched: Mapping[str, datetime], staged: Mapping[str, Sequence[Staged]]
    ) -> Iterator[tuple[Replacement, Sent]]:
        """Give what selects the streams whose derived rows may be others now, table by table."""

        def written(model: ReadModel) -> Iterator[Row]:
            return self._rows_of(model, staged)

        for replacement in self._composed.derived:
            derived = replacement.model.derived
            if derived and (sent := derived.affected(self._schema, touched, written)):
                yield replacement, sent

    def _derive(
        self, conn: Connection[Any], replacement: Replacement, streams: Sequence[str]
    ) -> None:
        derived = replacement.model.derived
        if derived is not None and streams:
            rows = derived.rows(conn, self._schema, streams)
            replacement.write(conn, rows, streams)


def _new(folded: Aggregate, page: Page) -> set[str]:
    """Return the webhook-ids that the page has brought to a stream."""
    after = page.after
    return {one.delivery.webhook_id for one in folded.events if (one.position or 0) > after}


def _note(
    touched: dict[str, datetime], some: Iterable[Aggregate], new: Iterable[AbstractSet[str]]
) -> None:
    """Note from when on streams are touched: by events under these webhook-ids of each."""
    for folded, webhook_ids in zip(some, new, strict=True):
        if webhook_ids:
            since = _since(folded, webhook_ids)
            touched[folded.id] = min(since, touched.get(folded.id, since))


def _since(folded: Aggregate, webhook_ids: AbstractSet[str]) -> datetime:
    """Return when the first of the facts under these webhook-ids occurred."""
    facts = (fact for one in folded.folded().values() for fact in one.facts)
    return min((one.occurred_at for one in facts if one.webhook_id in webhook_ids), default=_ALWAYS)
