"""The aggregates that a page touches, for who follows the log but keeps no folds."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from domain.aggregates.factory import aggregate
from ledger.following.pages import ANY_VERSION, histories_of, read, versions_of
from projections.folds import store
from projections.folds.going_on import EVENTS_MAX
from projections.folds.origin import Origin, origins_of, read_behind

if TYPE_CHECKING:
    from collections.abc import Generator

    from psycopg import Connection

    from domain.aggregate import Aggregate
    from ledger.following.pages import Page
    from ledger.mapper import LedgerMapper


def as_known(conn: Connection[Any], mapper: LedgerMapper, page: Page) -> Generator[Aggregate]:
    """Give the aggregates that a page touches, each as it is up to the page's last event.

    Those with a stored fold of events before the page go on from that.

    Raises:
        LogError: behind the last aggregate: an event of the page is in none of them.
    """
    versions = versions_of(conn, page, mapper)
    long = [one for one, version in versions.items() if EVENTS_MAX < version < ANY_VERSION]
    origins = origins_of(store.last_before(conn, dict.fromkeys(long, page.after)) if long else {})
    whole: dict[str, int] = {}
    with closing(read(conn, page, mapper, read_behind(origins, versions))) as streams:
        for stream_id, events, told_before in streams:
            origin = origins.get(stream_id, Origin())
            stream = aggregate(stream_id, events, origin.base)
            if origin.leads_to(stream, told_before):
                yield stream
            else:
                whole[stream_id] = versions[stream_id]
    if whole:
        with closing(histories_of(conn, mapper, whole, page.last)) as histories:
            for stream_id, events in histories:
                yield aggregate(stream_id, events)
