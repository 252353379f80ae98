"""The aggregates that a page of the log touches, going on from their stored folds."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import uuid4

from domain.aggregates.catalogue import STREAMS
from domain.aggregates.erasure import is_erasure
from domain.aggregates.factory import aggregate
from domain.going_on import encode, ends_at, goes_on, gone_on
from ledger.following.pages import (
    ANY_VERSION,
    PAGE_HISTORY_MAX,
    Touched,
    read,
    read_of,
    versions_of,
)
from projections.folds import store
from projections.folds.origin import Origin, origin_of, read_behind
from projections.folds.parts import PART_EVENTS, in_parts
from projections.folds.store import Late, StoredFold

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping
    from uuid import UUID

    from psycopg import Connection

    from domain.aggregate import Aggregate
    from ledger.following.pages import Page
    from ledger.mapper import LedgerMapper
    from postgres.together import Sent

EVENTS_MAX: Final = 8
"""A stream with more events than these behind its stored fold, or with none, has it stored anew."""
OPEN_MIN: Final = 3
"""So many of its last events are left behind a stored fold, among which others may come late."""
HELD_BYTES_MAX: Final = 64 * 2**20
"""So much is held in memory, about, of the streams that were touched last."""
_TIMES_ITS_BYTES: Final = 4
"""What a body, or a stored fold, is read into takes about so many times its bytes."""
_OF_ONE_THING: Final = frozenset(
    name
    for name, stream in STREAMS.items()
    if len(stream.kinds) == 1 and not stream.kinds[0].stream_fields
)
"""The kinds of streams that are never about several things."""


class TooLongError(Exception):
    """More events than a page may have are to be folded anew: a shorter page is to be taken."""


class Taken(NamedTuple):
    """An aggregate that a page touches, as it is up to the page's last event.

    One that is long may come in parts, each of which goes on from the one before, with all the rows
    that it has `anew`: the connection is free in between.
    """

    stream: Aggregate
    anew: bool = False


class _Doubt(NamedTuple):
    """A stream, up to a version, that does not go on from where it stood.

    `late` is what there is behind that, where it stood anywhere.
    """

    version: int
    late: Late | None = None


class _Held(NamedTuple):
    """An aggregate that goes on from the stored fold with this token, up to a version.

    Of its open events those with the versions `unread` have to be read, too.
    """

    token: UUID
    stream: Aggregate
    version: int
    unread: tuple[int, ...] = ()

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

    def of_page(self, conn: Connection[Any], page: Page) -> Generator[Taken]:
        """Give the aggregates that a page touches.

        Raises:
            LogError: behind the last aggregate: an event of the page is in none of them.
            TooLongError: too many must be folded from their first event on.
        """
        self._new, self._stored, self._outdated = {}, [], []
        if any(map(is_erasure, page.versions)):
            self.forget()
        versions = versions_of(conn, page, self._mapper)
        held = self._going_on(conn, page, versions)
        _check_length({one: versions[one] for one in versions.keys() - held.keys()})
        doubted: dict[str, _Doubt] = {}
        with closing(read(conn, page, self._mapper, _touched(page, versions, held))) as streams:
            for stream_id, events, told_before in streams:
                version = versions[stream_id]
                if stream_id not in held and _comes_in_parts(stream_id, version):
                    doubted[stream_id] = _Doubt(version)
                    continue
                if stream_id not in held:
                    yield self._kept(aggregate(stream_id, events), version)
                    continue
                token, before, *_ = held[stream_id]
                stream = before.followed_by(events)
                told = told_before - {event.originator_version for event in stream.events}
                if told or not goes_on(stream):
                    late = Late(stream_id, stream.begins_at, min(told, default=ANY_VERSION))
                    doubted[stream_id] = _Doubt(version, late)
                else:
                    yield self._kept(stream, version, token)
        yield from self._anew(conn, page, doubted)

    def store(self) -> Iterator[Sent]:
        """Give what stores what the page has made, for the transaction that writes its rows."""
        if self._outdated:
            yield store.delete(self._outdated)
        if self._stored:
            yield store.write(self._stored)

    def committed(self) -> None:
        """Hold what the page has made, which is committed; what was not touched longest goes."""
        for stream_id, one in self._new.items():
            self._drop(stream_id)
            # What was worked out for its rows is not asked for again.
            self._held[stream_id] = one._replace(stream=one.stream.followed_by(()))
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
            if EVENTS_MAX < version < ANY_VERSION and _kind_of(stream_id) in STREAMS
        ]
        if not long:
            return {}
        known = [self._held[one].token for one in long if one in self._held]
        found: dict[str, _Held] = {}
        for stream_id, stored in store.find(conn, long, page.after, known).items():
            if stored.fold is None:
                found[stream_id] = self._held[stream_id]
                continue
            if (origin := origin_of(stored)) is not None and stored.token is not None:
                stream = aggregate(stream_id, (), origin.base)
                found[stream_id] = _Held(stored.token, stream, origin.version, origin.open)
        return {
            stream_id: one
            for stream_id, one in found.items()
            if not one.stream.events or (one.stream.events[-1].position or 0) <= page.after
        }

    def _anew(
        self, conn: Connection[Any], page: Page, doubted: Mapping[str, _Doubt]
    ) -> Generator[Taken]:
        """Give aggregates that do not go on from where they stood, each alone in memory.

        They are folded from an earlier stored fold that ends before what is late, or from nothing.
        """
        late = [doubt.late for doubt in doubted.values() if doubt.late]
        found = store.earlier(conn, late, page.after) if late else {}
        earlier = {stream_id: origin_of(one) for stream_id, one in found.items()}
        origins = {stream_id: earlier.get(stream_id) or Origin() for stream_id in doubted}
        lengths = {one: origins[one].length(doubt.version) for one, doubt in doubted.items()}
        _check_length(lengths)
        short = {one: doubted[one] for one in doubted if not _comes_in_parts(one, lengths[one])}
        yield from self._at_once(conn, page, short, origins)
        for stream_id in doubted.keys() - short.keys():
            version, base = doubted[stream_id].version, origins[stream_id].base
            behind = origins[stream_id].behind(stream_id, version)
            for part in in_parts(conn, self._mapper, page, behind, base):
                if part.version == version:
                    self._keep_anew(part, version, origins[stream_id])
                yield Taken(part, anew=True)

    def _at_once(
        self,
        conn: Connection[Any],
        page: Page,
        doubted: Mapping[str, _Doubt],
        origins: Mapping[str, Origin],
    ) -> Generator[Taken]:
        """Give those of which all events behind their origins may be in memory."""
        touched = read_behind(origins, {one: doubt.version for one, doubt in doubted.items()})
        if not touched:
            return
        again: dict[str, _Doubt] = {}
        with closing(read_of(conn, self._mapper, touched, page.last)) as streams:
            for stream_id, events, told_before in streams:
                origin, version = origins[stream_id], doubted[stream_id].version
                stream = aggregate(stream_id, events, origin.base)
                if not origin.leads_to(stream, told_before):
                    again[stream_id] = _Doubt(version)
                    continue
                self._keep_anew(stream, version, origin)
                yield Taken(stream)
        yield from self._anew(conn, page, again)

    def _keep_anew(self, stream: Aggregate, version: int, origin: Origin) -> None:
        """Keep a stream whose stored fold is doubted, in whose place another one comes, or none."""
        self._kept(stream, version, origin=origin)
        if stream.id not in self._new:
            self._outdated.append(stream.id)

    def _kept(
        self,
        stream: Aggregate,
        version: int,
        token: UUID | None = None,
        origin: Origin | None = None,
    ) -> Taken:
        """Keep what later pages go on from, of a stream that is long enough, or is folded anew.

        It goes on from the stored fold with the token; without one, from its origin, or nothing.
        """
        on = None
        is_long = origin is not None or len(stream.events) > EVENTS_MAX
        if _kind_of(stream.id) in STREAMS and is_long and stream.version == version:
            # The last part of a stream may be too short to leave anything behind its base.
            on = gone_on(stream, OPEN_MIN) or stream
        if on and on.base and (written := encode(on.base)):
            anew_from = (origin or Origin()).version if token is None else None
            self._stored.append(
                StoredFold(
                    stream_id=stream.id,
                    token=(new := uuid4()),
                    version=version,
                    position=max(event.position or 0 for event in stream.events),
                    open=[event.originator_version for event in on.events],
                    fold=written,
                    ends_at=ends_at(on.base),
                    anew_from=anew_from,
                )
            )
            self._new[stream.id] = _Held(new, on, version)
        elif token is not None:
            self._new[stream.id] = _Held(token, stream, version)
        return Taken(stream)


def _check_length(whole: Mapping[str, int]) -> None:
    """Refuse a page that would have too many events folded from the first one of their streams on.

    A stream is never too long by itself, nor are those with notices, which are few.
    """
    known = [version for version in whole.values() if version < ANY_VERSION]
    if len(known) > 1 and sum(known) > PAGE_HISTORY_MAX:
        raise TooLongError


def _comes_in_parts(stream_id: str, events: int) -> bool:
    return PART_EVENTS < events < ANY_VERSION and _kind_of(stream_id) in _OF_ONE_THING


def _kind_of(stream_id: str) -> str:
    return stream_id.partition("/")[0]


def _touched(page: Page, versions: Mapping[str, int], held: Mapping[str, _Held]) -> list[Touched]:
    """Return what is read of a page's streams: all, or what comes behind what is held."""
    touched = []
    for stream_id, version in versions.items():
        if (one := held.get(stream_id)) is not None:
            touched.append(Touched(stream_id, version, one.version, one.version))
            touched += [Touched(stream_id, open_, open_ - 1, one.version) for open_ in one.unread]
        elif _comes_in_parts(stream_id, version):
            # The page's own are among them: that they are there is checked.
            touched.append(Touched(stream_id, version, max(version - page.events, 0)))
        else:
            touched.append(Touched(stream_id, version))
    return touched
