"""The aggregates that a page touches, for who follows the log but keeps no folds."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from domain.aggregates.factory import aggregate
from ledger.following.pages import ANY_VERSION, histories_of, read, versions_of
from projections.folds import store
from projections.folds.going_on import EVENTS_MAX
from projections.folds.origin import Origin, origin_of

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from psycopg import Connection

    from domain.aggregate import Aggregate
    from ledger.following.pages import Page
    from ledger.mapper import LedgerMapper
    from projections.folds.store import Found


def as_known(conn: Connection[Any], mapper: LedgerMapper, page: Page) -> Generator[Aggregate]:
    """Give the aggregates that a page touches, each as it is up to the page's last event.

    Those with a stored fold of events before the page go on from that.

    Raises:
        LogError: behind the last aggregate: an event of the page is in none of them.
    """
    versions = versions_of(conn, page, mapper)
    long = [one for one, version in versions.items() if EVENTS_MAX < version < ANY_VERSION]
    origins = origins_of(store.last_before(conn, dict.fromkeys(long, page.after)) if long else {})
    touched = [
        one
        for stream_id, version in versions.items()
        for one in origins.get(stream_id, Origin()).behind(stream_id, version)
    ]
    whole: dict[str, int] = {}
    with closing(read(conn, page, mapper, touched)) as streams:
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


def origins_of(found: Mapping[str, Found]) -> dict[str, Origin]:
    """Read what is stored of streams; one that cannot be read is left out."""
    origins = {stream_id: origin_of(stored) for stream_id, stored in found.items()}
    return {stream_id: origin for stream_id, origin in origins.items() if origin is not None}
