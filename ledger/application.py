"""The eventsourcing application that records deliveries and looks, and gives aggregates back."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, cast
from uuid import uuid4

import psycopg
from eventsourcing.application import Application
from eventsourcing.persistence import (
    IntegrityError,
    InterfaceError,
    OperationalError,
    PersistenceError,
)
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresFactory
from eventsourcing.utils import Environment
from psycopg.errors import LockNotAvailable, ProgramLimitExceeded, ReadOnlySqlTransaction

from domain.aggregates.erasure import stream_of
from domain.aggregates.factory import aggregate
from domain.aggregates.routing import NOTICE, route, route_of, types_taken
from domain.comparison import Comparison, compare, news
from domain.look import delivery_of
from domain.personal_data import customers_of
from domain.stream_id import stream_id
from ledger.connection import ThreadConnection
from ledger.mapper import LedgerMapper
from ledger.new_events import new_events
from ledger.recorder import LedgerRecorder
from ledger.stream import Batch, Stream
from postgres.failures import AWAY
from telemetry.redaction import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from collections.abc import Set as AbstractSet

    from eventsourcing.domain import MutableAggregateProtocol
    from eventsourcing.persistence import InfrastructureFactory, TrackingRecorder
    from eventsourcing.postgres import ConnectionPool
    from eventsourcing.utils import EnvType
    from psycopg import Connection
    from psycopg.rows import DictRow

    from domain.aggregate import Aggregate
    from domain.aggregates.routing import Route
    from domain.delivery import Delivery
    from domain.event import Event
    from domain.look import Look
    from ledger.recorder import Ends
    from postgres.prepared import Question

_log = logging.getLogger(__name__)

PATIENCE_S: Final = 5.0
"""How long a batch is tried again and again while the database is away or others are quicker."""
BATCH_S: Final = 7.0
"""After so long a batch is given up, also while the database does not answer: Dodo waits 15 s."""
CHECK_S: Final = 2.0
"""How long the database may take to show that a batch would be committed."""
RECORDED_AT_ONCE: Final = 500
"""So many looks are committed together, of which any number was compared together."""
_PAUSE_S: Final = 0.1
_TAKEN: Final = sorted(types_taken())
_LOCK_TIMEOUT_S: Final = 4
# Nothing is wrong with a delivery that meets one of these.
_AWAY: Final = (OperationalError, InterfaceError)


class Receipt(NamedTuple):
    """The answer to a delivery: where it stands in the log, and whether it stood there before."""

    position: int
    duplicate: bool


Routed: TypeAlias = "tuple[Delivery, Route]"
Recording: TypeAlias = "Receipt | PersistenceError"
"""What came of a delivery: its receipt, or why it is not known to be stored."""


class Observed(NamedTuple):
    """What came of a look: what it says against what was known, and None if nothing new."""

    comparison: Comparison
    recording: Recording | None


class Ledger(Application[str]):
    """Records deliveries and looks, each exactly once, in the streams of their aggregates."""

    name = "ledger"

    def __init__(self, conninfo: str) -> None:
        self._connection = ThreadConnection(conninfo)
        self._last_looked_at = 0
        self._has_late_notices = False
        super().__init__()

    def construct_env(self, name: str, env: EnvType | None = None) -> Environment:
        """Take nothing from the process' environment: the library's switches could lose events."""
        return Environment(name, env)

    def construct_factory(self, env: Environment) -> InfrastructureFactory[TrackingRecorder]:
        """Connect the library as the URL says; no second set of variables is needed."""
        factory = LedgerFactory(self._connection, env.name)
        return cast("InfrastructureFactory[TrackingRecorder]", factory)

    def construct_mapper(self) -> LedgerMapper:
        """Map deliveries verbatim."""
        return LedgerMapper()

    def aggregate(self, stream_id: str) -> Aggregate:
        """Give an aggregate back, from its events.

        Raises:
            AggregateNotFoundError: nothing was ever recorded of it.
        """
        return self.repository.get(stream_id, projector_func=_project)

    @property
    def connection(self) -> Connection[Any] | None:
        """What the thread that asks works with the log on, None where it is not connected."""
        return self._connection.opened

    def record(
        self, deliveries: Sequence[Delivery], asked: Question | None = None
    ) -> list[Recording]:
        """Commit a batch of deliveries and answer each.

        The answer is a receipt, or the error because of which it is not known to be stored. A
        delivery that cannot be stored does not take its neighbours with it. Where it has been
        `asked` already on this thread's connection, the short way, that is waited for first.
        """
        routed = [(delivery, route(delivery)) for delivery in deliveries]
        if not routed:
            return []
        give_up_at = time.monotonic() + PATIENCE_S
        with self._connection.within(BATCH_S):
            if asked is not None and (first := self._position(asked)) is not None:
                return new_receipts(first, len(routed))
            return self._answer(routed, give_up_at)

    def observe(self, looks: Sequence[Look]) -> list[Observed]:
        """Record the looks that say what is not known yet, and answer each.

        The streams that they belong to are held in memory together.

        Raises:
            UnreadableError: a look does not name its thing, or is no JSON object; none is recorded.
            PersistenceError: what is known cannot be read; none is recorded.
        """
        if not looks:
            return []
        with self._connection.within(BATCH_S):
            compared = self._compare(looks)
            new = [(one.delivery, route_of(one.look)) for one in compared if one.changes]
            answers = iter(self._answer(new, time.monotonic() + PATIENCE_S) if new else ())
        return [Observed(one, next(answers) if one.changes else None) for one in compared]

    def observe_parts(self, looks: Sequence[Look]) -> None:
        """Record the looks at parts of things that say what is not known yet.

        They are compared together, stream by stream, and committed some at a time: whoever dies
        between has recorded some of them.

        Raises:
            UnreadableError: a look does not name its thing, or is no JSON object; none is recorded.
            PersistenceError: what is known cannot be read, or not all are known to be recorded.
        """
        if not looks:
            return
        routed = [(look, route_of(look)) for look in looks]
        with self._connection.within(BATCH_S):
            streams, forgotten = self._known(routed)
        routes: dict[str, Route] = {}
        of_streams: dict[str, dict[str, Look]] = defaultdict(dict)
        for look, to in routed:
            look_id = _new_id()
            routes[look_id] = to
            of_streams[to.stream_id][look_id] = look
        new: list[Routed] = []
        for stream, own in of_streams.items():
            is_forgotten = _name_any(own.values(), forgotten)
            told = news(streams[stream], own, forgotten=is_forgotten)
            new += [(delivery, routes[delivery.webhook_id]) for delivery in told]
        for first in range(0, len(new), RECORDED_AT_ONCE):
            self._record_all(new[first : first + RECORDED_AT_ONCE])

    def _record_all(self, routed: Sequence[Routed]) -> None:
        with self._connection.within(BATCH_S):
            for recording in self._answer(routed, time.monotonic() + PATIENCE_S):
                if isinstance(recording, PersistenceError):
                    raise recording

    def compare(self, looks: Sequence[Look]) -> list[Comparison]:
        """Compare looks, in this order, with what is known and what those before them tell.

        Nothing is recorded.

        Raises:
            UnreadableError: a look does not name its thing, or is no JSON object.
            PersistenceError: what is known cannot be read.
        """
        with self._connection.within(BATCH_S):
            return self._compare(looks) if looks else []

    def _compare(self, looks: Sequence[Look]) -> list[Comparison]:
        routed = [(look, route_of(look)) for look in looks]
        streams, forgotten = self._known(routed)
        compared: list[Comparison] = []
        for look, to in routed:
            is_forgotten = _name_any([look], forgotten)
            one = compare(streams[to.stream_id], look, _new_id(), forgotten=is_forgotten)
            if one.changes:
                streams[to.stream_id] = one.then
            compared.append(one)
        return compared

    def _known(self, routed: Sequence[tuple[Look, Route]]) -> tuple[dict[str, Aggregate], set[str]]:
        """Return the aggregates of looks by stream, and which customers' erasures there are."""
        recorder = cast("LedgerRecorder", self.recorder)
        events: dict[str, list[Event]] = {to.stream_id: [] for _, to in routed}
        for stored in recorder.select_histories(list(events)):
            event = cast("Event", self.mapper.to_domain_event(stored))
            events[event.originator_id].append(event)
        erasures = set().union(*(_named(look) for look, _ in routed))
        ends = recorder.select_ends([(stream, "") for stream in erasures]) if erasures else None
        versions = ends.versions if ends else {}
        forgotten = {stream for stream, version in versions.items() if version}
        return {stream: aggregate(stream, own) for stream, own in events.items()}, forgotten

    def check(self) -> None:
        """Find out whether a batch would be committed now; nothing is written.

        Raises:
            PersistenceError: it would not; `reason` says why.
        """
        with self._connection.within(CHECK_S):
            cast("LedgerRecorder", self.recorder).check()

    def tell(self, asked: Question | None = None) -> None:
        """Tell those who follow the log that it has grown; wait for that where it is `asked`.

        Raises:
            PersistenceError: it is not known whether they were told.
        """
        with self._connection.within(CHECK_S):
            cast("LedgerRecorder", self.recorder).tell(asked)

    def _answer(self, routed: Sequence[Routed], give_up_at: float) -> list[Recording]:
        while True:
            try:
                return self._append(routed)
            # Another writer was quicker, the database is away, or our own commit succeeded and
            # its answer was lost: in all cases the streams, read again, tell what is missing.
            except PersistenceError as error:
                lost = is_away(error)
                if not lost and not isinstance(error, IntegrityError):
                    return self._bisect(routed, give_up_at, error)
                if time.monotonic() > give_up_at:
                    return [error] * len(routed)
                if lost:
                    _log.warning("%s, trying again: %s", reason(error), kind_of(error))
                    time.sleep(_PAUSE_S)
            except UnicodeError as error:
                return self._bisect(routed, give_up_at, PersistenceError(kind_of(error)))

    def _bisect(
        self, routed: Sequence[Routed], give_up_at: float, error: PersistenceError
    ) -> list[Recording]:
        if len(routed) == 1:
            _log.error("a delivery cannot be stored: %s", kind_of(error))
            return [error]
        middle = len(routed) // 2
        halves = routed[:middle], routed[middle:]
        return [answer for half in halves for answer in self._answer(half, give_up_at)]

    def _append(self, routed: Sequence[Routed]) -> list[Recording]:
        first = self._append_new(routed)
        if first is not None:
            return new_receipts(first, len(routed))
        batch = self._open(routed)
        taken = [batch.take(delivery, to) for delivery, to in routed]
        recordings = self.save(cast("MutableAggregateProtocol[str]", batch))
        positions = {id(made.domain_event): made.notification.id for made in recordings}
        return [
            Receipt(event.position or positions[id(event)], duplicate) for event, duplicate in taken
        ]

    def _append_new(self, routed: Sequence[Routed]) -> int | None:
        """Append what is all new in one round trip; None where something of it is not."""
        events = new_events(routed)
        return cast("LedgerRecorder", self.recorder).record_new(events) if events else None

    def _position(self, asked: Question) -> int | None:
        """Return what was answered; None where it is not known whether anything was recorded."""
        try:
            with self._connection.connection():
                return cast("int | None", asked.value())
        except psycopg.Error:
            return None

    def _open(self, routed: Sequence[Routed]) -> Batch:
        ends = self._ends(routed)
        held: dict[str, list[Event]] = defaultdict(list)
        for stored in ends.held:
            event = cast("Event", self.mapper.to_domain_event(stored))
            held[event.originator_id].append(event)
        for delivery, to in routed if self._has_late_notices else ():
            notice = stream_id(NOTICE, delivery.webhook_id)
            if to.stream_id != notice and notice in held:
                held[to.stream_id] += held[notice]
        return Batch(Stream(name, n, held[name]) for name, n in ends.versions.items())

    def _ends(self, routed: Sequence[Routed]) -> Ends:
        """Look up what the log has of deliveries, also under the streams of notices if need be.

        What was stored as a notice, before its type was understood, is there already. Most logs
        have no such notice; an older release that still runs may write one at any time, so each
        look-up asks whether there is one that was not there before.
        """
        recorder = cast("LedgerRecorder", self.recorder)
        asked = [(to.stream_id, delivery.webhook_id) for delivery, to in routed]
        if not self._has_late_notices:
            ends = recorder.select_ends(asked, _TAKEN, self._last_looked_at)
            # Not the larger of both: a standby that has taken over may lack the end of the log.
            self._last_looked_at, self._has_late_notices = ends.last, ends.late
            if not ends.late:
                return ends
        notices = [(stream_id(NOTICE, one.webhook_id), one.webhook_id) for one, _ in routed]
        return recorder.select_ends(list(dict.fromkeys(asked + notices)))


def new_receipts(first: int, count: int) -> list[Recording]:
    """Answer deliveries that are all new, the first of which stands at a position."""
    return [Receipt(position, duplicate=False) for position in range(first, first + count)]


def _new_id() -> str:
    """Return a webhook-id for a look, which has come by none.

    By it looks of one instant stand in the order in which they were made: Dodo tells the time to
    the second.
    """
    return f"raphus_look_{time.time_ns():016x}{uuid4().hex[:16]}"


def _named(look: Look) -> set[str]:
    """Return the streams that the erasures of the customers would be in whom a look names."""
    customers = customers_of(delivery_of(look, "").body) or frozenset()
    return {stream_of(look.business_id, customer) for customer in customers}


def _name_any(looks: Iterable[Look], forgotten: AbstractSet[str]) -> bool:
    """Tell whether looks name somebody who was forgotten; where nobody was, none is read for it."""
    return bool(forgotten) and any(not forgotten.isdisjoint(_named(look)) for look in looks)


def is_away(error: PersistenceError) -> bool:
    """Tell whether the database could not store anything, rather than one delivery."""
    if isinstance(error.__cause__, ProgramLimitExceeded):
        return False
    return isinstance(error, _AWAY) or isinstance(error.__cause__, ReadOnlySqlTransaction)


def reason(error: PersistenceError) -> str:
    """Say why nothing can be stored, in words of our own."""
    if isinstance(error.__cause__, ReadOnlySqlTransaction):
        return "the database is read-only"
    if isinstance(error.__cause__, LockNotAvailable):
        return "the log is locked"
    return AWAY


class LedgerFactory(PostgresFactory):
    """The library's factory, on one connection, in the schema that the migrations made."""

    application_recorder_class: type[PostgresApplicationRecorder] = LedgerRecorder

    def __init__(self, connection: ThreadConnection, name: str) -> None:
        settings = {
            # It connects nowhere by itself.
            "POSTGRES_DBNAME": "",
            "POSTGRES_HOST": "",
            "POSTGRES_USER": "",
            "POSTGRES_PASSWORD": "",
            "POSTGRES_SCHEMA": "raphus",
            "POSTGRES_LOCK_TIMEOUT": str(_LOCK_TIMEOUT_S),
            "ORIGINATOR_ID_TYPE": "text",
            "CREATE_TABLE": "no",
        }
        super().__init__(Environment(name, settings))
        self.datastore.pool = cast("ConnectionPool[Connection[DictRow]]", connection)
        # Nor does it look for the types that its functions take, which no migration makes.
        self.datastore.register_type_adapters = _nothing  # type: ignore[method-assign]


def _nothing() -> None:
    pass


def _project(nothing: Aggregate | None, events: Iterable[Event]) -> Aggregate | None:
    arrived = list(events)
    return aggregate(arrived[0].originator_id, arrived) if arrived else nothing
