"""The aggregates that a page of the log touches, going on from their stored folds."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import uuid4

import msgspec

from domain.aggregates.catalogue import STREAMS
from domain.aggregates.erasure import is_erasure
from domain.aggregates.factory import aggregate
from domain.going_on import base_of, decode, encode, goes_on, place_to_go_on_from
from ledger.following.pages import (
    ANY_VERSION,
    PAGE_HISTORY_MAX,
    Touched,
    histories_of,
    read,
    versions_of,
)
from projections.folds import store
from projections.folds.store import StoredFold

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from uuid import UUID

    from psycopg import Connection

    from domain.aggregate import Aggregate
    from ledger.following.pages import Page
    from ledger.mapper import LedgerMapper

EVENTS_MAX: Final = 8
"""A stream with more events than these behind its stored fold, or with none, has it stored anew."""
HELD_BYTES_MAX: Final = 64 * 2**20
"""So much is held in memory, about, of the streams that were touched last."""
_TIMES_ITS_BYTES: Final = 4
"""What a body, or a stored fold, is read into takes about so many times its bytes."""
_GOING_ON: Final = frozenset(name for name, stream in STREAMS.items() if stream.goes_on)


class TooLongError(Exception):
    """More events than a page may have are to be folded anew: a shorter page is to be taken."""


class _Held(NamedTuple):
    """An aggregate that goes on from the stored fold with this token."""

    token: UUID
    stream: Aggregate

    @property
    def bytes(self) -> int:
        """How much memory it takes, about."""
        bodies = sum(len(event.delivery.body) for event in self.stream.events)
        known = len(self.stream.events[0].delivery.body)
        return _TIMES_ITS_BYTES * (bodies + known)


class GoingOn:
    """Gives the aggregates of a page, and stores folds from which later pages go on.

    What is held in memory counts while the stored fold that it goes on from stands in the table:
    whoever changes the log takes that away, and need not know of this. What a page has made is
    held once that is committed.
    """

    def __init__(self, mapper: LedgerMapper) -> None:
        self._mapper = mapper
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._bytes = 0
        self._new: dict[str, _Held] = {}
        self._stored: list[StoredFold] = []
        self._outdated: list[str] = []

    def of_page(self, conn: Connection[Any], page: Page) -> Generator[Aggregate]:
        """Give the aggregates that a page touches, as they are up to its last event.

        Raises:
            LogError: behind the last aggregate: an event of the page is in none of them.
            TooLongError: too many must be folded from their first event on.
        """
        self._new, self._stored, self._outdated = {}, [], []
        if any(map(is_erasure, page.versions)):
            self.forget()
        versions = versions_of(conn, page, self._mapper)
        held = self._going_on(conn, page, versions)
        touched = [
            Touched(stream_id, version, one.stream.version, one.stream.base.version)
            if (one := held.get(stream_id)) and one.stream.base
            else Touched(stream_id, version)
            for stream_id, version in versions.items()
        ]
        doubted: dict[str, int] = {}
        with closing(read(conn, page, self._mapper, touched)) as streams:
            for stream_id, events, tells_again in streams:
                if stream_id not in held:
                    yield self._kept(aggregate(stream_id, events))
                    continue
                token, before = held[stream_id]
                stream = before.followed_by(events)
                if tells_again or not goes_on(stream):
                    doubted[stream_id] = versions[stream_id]
                else:
                    yield self._kept(stream, token)
        yield from self._whole(conn, page, doubted)

    def store(self, conn: Connection[Any]) -> None:
        """Store what the page has made, in the transaction that writes its rows."""
        if self._outdated:
            store.delete(conn, self._outdated)
        if self._stored:
            store.write(conn, self._stored)

    def committed(self) -> None:
        """Hold what the page has made, which is committed; what was not touched longest goes."""
        for stream_id, one in self._new.items():
            self._drop(stream_id)
            self._held[stream_id] = one
            self._bytes += one.bytes
        while self._bytes > HELD_BYTES_MAX:
            self._drop(next(iter(self._held)))
        self._new = {}

    def forget(self) -> None:
        """Hold nothing any more: it is read again where it is asked for."""
        self._held.clear()
        self._bytes = 0

    def _drop(self, stream_id: str) -> None:
        one = self._held.pop(stream_id, None)
        self._bytes -= one.bytes if one else 0

    def _going_on(
        self, conn: Connection[Any], page: Page, versions: Mapping[str, int]
    ) -> dict[str, _Held]:
        """Return the streams that have a stored fold of events before the page."""
        long = [
            stream_id
            for stream_id, version in versions.items()
            if EVENTS_MAX < version < ANY_VERSION and stream_id.partition("/")[0] in _GOING_ON
        ]
        if not long:
            return {}
        known = {one: self._held[one].token for one in long if one in self._held}
        found: dict[str, _Held] = {}
        for stream_id, stored in store.find(conn, long, page.after, [*known.values()]).items():
            if stored.fold is None:
                found[stream_id] = self._held[stream_id]
                continue
            kind = STREAMS[stream_id.partition("/")[0]].kinds[0].name
            try:
                base = decode(kind, stored.version, stored.fold)
            except msgspec.MsgspecError:
                continue
            found[stream_id] = _Held(stored.token, aggregate(stream_id, (), base))
        return {
            stream_id: one
            for stream_id, one in found.items()
            if not one.stream.events or (one.stream.events[-1].position or 0) <= page.after
        }

    def _whole(
        self, conn: Connection[Any], page: Page, doubted: Mapping[str, int]
    ) -> Generator[Aggregate]:
        """Give aggregates that are folded from their first event on, each alone in memory."""
        if len(doubted) > 1 and sum(doubted.values()) > PAGE_HISTORY_MAX:
            raise TooLongError
        if doubted:
            with closing(histories_of(conn, self._mapper, doubted, page.last)) as streams:
                for stream_id, events in streams:
                    stream = self._kept(aggregate(stream_id, events))
                    if stream_id not in self._new:
                        self._outdated.append(stream_id)
                    yield stream

    def _kept(self, stream: Aggregate, token: UUID | None = None) -> Aggregate:
        """Keep what later pages go on from, of a stream that is long enough."""
        if len(stream.events) > EVENTS_MAX and stream.goes_on and _is_dense(stream):
            count = place_to_go_on_from(stream)
            base = base_of(stream.first(count)) if count else None
            written = encode(base) if base else None
            if base and written:
                token, position = uuid4(), stream.events[count - 1].position or 0
                fold = StoredFold(stream.id, token, base.version, position, written)
                self._stored.append(fold)
                self._new[stream.id] = _Held(token, stream.behind(base))
                return stream
        if token is not None:
            self._new[stream.id] = _Held(token, stream)
        return stream


def _is_dense(stream: Aggregate) -> bool:
    """Tell whether its events are all those of its stream, and none has its home here."""
    first = stream.base.version if stream.base else 0
    numbers = [event.originator_version for event in stream.events]
    return numbers == list(range(first + 1, first + 1 + len(numbers)))
