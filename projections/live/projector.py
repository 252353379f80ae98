"""Takes the next page of the log into the read models, in one transaction."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from domain.aggregates.factory import aggregate
from ledger.following.checkpoint import ProjectionTracking
from ledger.following.homes import settle
from ledger.following.pages import PAGE_EVENTS_MAX, histories, whole_histories
from ledger.following.taking import PageLimits, take
from projections.live.regrouping import Regrouping
from projections.live.upsert import Replacement
from projections.read_models.catalogue import READ_MODELS
from projections.read_models.timeline import TIMELINE, entries_after

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from psycopg import Connection

    from domain.aggregate import Aggregate
    from domain.timeline import Entry
    from ledger.following.pages import Page
    from ledger.mapper import LedgerMapper
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
        self._tracking = ProjectionTracking()
        self._adopted_to = 0
        self._replacements = [Replacement(model, schema) for model in models]
        by_table = {model.table: model for model in models}
        self._regroupings = [
            Regrouping(model, by_table[model.grouped.source], schema)
            for model in models
            if model.grouped is not None
        ]

    def project(self, conn: Connection[Any], events_max: int = PAGE_EVENTS_MAX) -> Projected | None:
        """Project the next page; None at the end of the log, or while a rebuild holds it.

        Raises:
            LogError: the log does not go on where, and as, the read models have followed it.
            PageError: the page cannot be projected; nothing of it is.
            psycopg.OperationalError: the database is away; what was committed is not known.
        """
        entries: list[Entry] = []

        def write(page: Page) -> None:
            entries.extend(self.write(conn, page))
            conn.execute("SELECT pg_notify(%s, %s)", [CHANNEL, str(page.last)])

        caught_up = self._adopted_to
        page = take(conn, self._tracking, write, PageLimits(events_max))
        if page is None:
            return None
        if caught_up == page.after:
            self._adopted_to = page.last
        lag_s = (datetime.now(UTC) - page.recorded_at).total_seconds()
        return Projected(page.last, page.events, entries, lag_s)

    def write(self, conn: Connection[Any], page: Page) -> list[Entry]:
        """Write the rows of the page's streams; return the facts that its events brought.

        Raises:
            LogError: an event of the page is not in its stream's history.
        """
        staged: dict[str, list[Row]] = {model.table: [] for model in self._models}
        losing: dict[str, list[str]] = {model.table: [] for model in self._models}
        touched: dict[str, datetime] = {}
        with closing(histories(conn, page, self._mapper)) as streams:
            for stream_id, events in streams:
                folded = aggregate(stream_id, events)
                new = {e.delivery.webhook_id for e in events if (e.position or 0) > page.after}
                touched[stream_id] = _since(folded, new)
                for model in self._of(stream_id):
                    staged[model.table] += model.touched(folded, new)
                    losing[model.table] += [stream_id] * model.loses(folded, new)
        self._replace(conn, staged, losing)
        self._derive(conn, touched)
        return entries_after(staged.get(TIMELINE.table, ()), page.after)

    def adopt(self, conn: Connection[Any], *, wait: bool = False) -> int:
        """Take notices whose type is understood by now into the aggregates that they tell of.

        Those up to the checkpoint are meant, some at a time, which is one transaction; later ones
        are read with their pages. Returns how many have found a home: 0 where none is left, or
        while somebody else holds the checkpoint, unless it is to `wait`.

        Raises:
            psycopg.OperationalError: the database is away; what was committed is not known.
        """
        found = 0
        while not found:
            with conn.transaction():
                hold = self._tracking.hold if wait else self._tracking.take
                live = hold(conn)
                if live is None or live.position <= self._adopted_to:
                    return 0
                settled = settle(conn, self._mapper, self._adopted_to, live.position)
                if settled.events:
                    touched = sorted(settled.new_homes | settled.moved)
                    self.rewrite(conn, touched, live.position)
            found, self._adopted_to = settled.events, settled.last
        return found

    def _of(self, stream_id: str) -> list[ReadModel]:
        kind = stream_id.partition("/")[0]
        return [model for model in self._models if kind in model.streams]

    def _replace(
        self,
        conn: Connection[Any],
        staged: Mapping[str, Sequence[Row]],
        losing: Mapping[str, Sequence[str]],
    ) -> None:
        # What a row that goes away was in a group with is known before it goes.
        touched = [
            one.groups(conn, losing[one.source]) | one.groups_of(staged[one.source])
            for one in self._regroupings
        ]
        for replacement in self._replacements:
            table = replacement.model.table
            if staged[table] or losing[table]:
                replacement.write(conn, staged[table], losing[table])
        for regrouping, groups in zip(self._regroupings, touched, strict=True):
            if groups:
                regrouping.write(conn, groups)

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
        staged: dict[str, list[Row]] = {model.table: [] for model in self._models}
        with closing(whole_histories(conn, self._mapper, streams, until)) as whole:
            for stream_id, events in whole:
                folded = aggregate(stream_id, events)
                for model in self._of(stream_id):
                    staged[model.table] += model.rows(folded)
        self._replace(conn, staged, dict.fromkeys(staged, streams))
        self._derive(conn, dict.fromkeys(streams, _ALWAYS))

    def _derive(self, conn: Connection[Any], touched: Mapping[str, datetime]) -> None:
        """Write what follows from the tables of the streams that were touched, and from when on."""
        for replacement in self._replacements:
            derived = replacement.model.derived
            if derived is not None and touched:
                streams = derived.affected(conn, self._schema, touched)
                if streams:
                    rows = derived.rows(conn, self._schema, streams)
                    replacement.write(conn, rows, streams)


def _since(folded: Aggregate, webhook_ids: AbstractSet[str]) -> datetime:
    """Return when the first of the facts under these webhook-ids occurred."""
    facts = (fact for one in folded.folded().values() for fact in one.facts)
    return min((one.occurred_at for one in facts if one.webhook_id in webhook_ids), default=_ALWAYS)
