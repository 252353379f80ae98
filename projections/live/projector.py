"""The projector: takes the next page of the log into the read models, in one transaction."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from domain.aggregates.factory import aggregate
from ledger.following.checkpoint import ProjectionTracking
from ledger.following.pages import PAGE_EVENTS_MAX, LogError, histories, next_page
from postgres.connections import DATABASE_ERRORS
from projections.live.upsert import Replacement
from projections.read_models.catalogue import READ_MODELS
from projections.read_models.timeline import TIMELINE, entries_after

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import Connection

    from domain.timeline import Entry
    from ledger.following.pages import Page
    from ledger.mapper import LedgerMapper
    from projections.read_model import ReadModel, Row

LIVE: Final = "raphus"
"""The schema of the tables that queries read."""
CHANNEL: Final = "projections"
"""Told the new position, as text, when a page has been committed."""


class Projected(NamedTuple):
    """A page that has been committed.

    `entries` are the facts that its events brought. `lag_s` is the age of the first of them.
    """

    position: int
    events: int
    entries: list[Entry]
    lag_s: float


class Written(NamedTuple):
    """What has been written of a page: how many of its events were folded, and their facts."""

    events: int
    entries: list[Entry]


class ProjectionError(Exception):
    """A page cannot be projected: a defect of the program, which must not be skipped."""

    def __init__(self, page: Page) -> None:
        streams = f" of {next(iter(page.versions))}" if page.events == 1 else ""
        super().__init__(f"positions {page.after + 1} to {page.last}{streams}")
        self.page = page


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
        self._tracking = ProjectionTracking()
        self._replacements = [Replacement(model, schema) for model in models]

    def position(self, conn: Connection[Any]) -> int:
        """Return the position up to which the read models have followed the log."""
        return self._tracking.checkpoint(conn).position

    def project(self, conn: Connection[Any], events_max: int = PAGE_EVENTS_MAX) -> Projected | None:
        """Project the next page; None at the end of the log, or while a rebuild holds it.

        Raises:
            LogError: the log does not go on where, and as, the read models have followed it.
            ProjectionError: the page cannot be projected; nothing of it is.
            psycopg.OperationalError: the database is away; what was committed is not known.
        """
        with conn.transaction():
            after = self._tracking.take(conn)
            page = None if after is None else next_page(conn, after, events_max)
            if page is None:
                return None
            try:
                events, entries = self.write(conn, page)
            except (LogError, *DATABASE_ERRORS):
                raise
            except Exception as error:
                raise ProjectionError(page) from error
            self._tracking.advance(conn, page.last, page.hash, events)
            conn.execute("SELECT pg_notify(%s, %s)", [CHANNEL, str(page.last)])
        lag_s = (datetime.now(UTC) - page.recorded_at).total_seconds()
        return Projected(page.last, events, entries, lag_s)

    def write(self, conn: Connection[Any], page: Page) -> Written:
        """Write the rows of the page's streams.

        Raises:
            LogError: an event of the page is not in its stream's history.
        """
        staged: dict[str, list[Row]] = {model.table: [] for model in self._models}
        losing: dict[str, list[str]] = {model.table: [] for model in self._models}
        folded = 0
        with closing(histories(conn, page, self._mapper)) as streams:
            for stream_id, events in streams:
                folded += sum(page.after < (event.position or 0) <= page.last for event in events)
                one = aggregate(stream_id, events)
                new = {e.delivery.webhook_id for e in events if (e.position or 0) > page.after}
                for model in self._models:
                    if stream_id.partition("/")[0] in model.streams:
                        staged[model.table] += model.touched(model.rows(one), new)
                        losing[model.table] += [stream_id] * model.loses(one, new)
        if folded != page.events:
            raise LogError(
                f"of the {page.events} events at positions {page.after + 1} to {page.last}, only"
                f" {folded} are in their streams' histories: raphus verify tells what was changed"
            )
        for replacement in self._replacements:
            if rows := staged[replacement.model.table]:
                replacement.write(conn, rows, losing[replacement.model.table])
        return Written(folded, entries_after(staged.get(TIMELINE.table, ()), page.after))
