"""Erasure in the log: a customer's rows found and emptied, and the event that says so."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import uuid4

from psycopg.rows import tuple_row

from domain.aggregates.erasure import TOPIC, Erasure, body_of, is_erasure, ranges, stream_of
from domain.aggregates.routing import is_notice, route
from domain.delivery import ErasedDelivery, UnreadableError, read_envelope
from domain.field_readers import identity
from domain.personal_data import customers_of, emptied, is_about, names
from domain.stream_id import parts_of, stream_id
from ledger import own_events
from ledger.following.checkpoint import LOG_END
from ledger.mapper import COLUMNS, LedgerMapper, encode
from ledger.own_events import OwnEvent
from telemetry.errors import RaphusError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from psycopg import Connection

    from domain.event import Event
    from ledger.recorder import LedgerRecorder, LogHead

CHUNK_BYTES_MAX: Final = 8 * 2**20
"""So much of the log is in memory at once, or one row."""
REASON_CHARS_MAX: Final = 500
REQUESTED_BY_CHARS_MAX: Final = 200

# To look for the id in each state is to read the whole log once, and needs neither read models
# nor an index: what no aggregate takes is found too, and what only an older body says.
_NAMING: Final = """
    SELECT notification_id FROM raphus.ledger_events
    WHERE notification_id > %s AND notification_id <= %s
    AND position(convert_to(%s, 'UTF8') IN state) > 0 ORDER BY notification_id
"""
OWNED: Final = """
    SELECT DISTINCT stream_id FROM raphus.customer_objects WHERE customer_id = %(customer_id)s
    UNION SELECT stream_id FROM raphus.periods WHERE customer_id = %(customer_id)s
"""
"""Selects the streams of what is, or once was, a customer's, also through a payment."""
_OF_STREAMS: Final = """
    SELECT notification_id FROM raphus.housed_events
    WHERE originator_id = ANY (%s) AND notification_id > %s AND notification_id <= %s
    ORDER BY notification_id
"""
_DISPUTES: Final = """
    SELECT notification_id FROM raphus.ledger_events
    WHERE notification_id > %s AND notification_id <= %s AND starts_with(originator_id, 'dispute/')
    ORDER BY notification_id
"""
_SIZES: Final = """
    SELECT notification_id, octet_length(state) FROM raphus.ledger_events
    WHERE notification_id = ANY (%s) ORDER BY notification_id
"""
_ROWS: Final = f"""
    SELECT {COLUMNS}, content_hash FROM raphus.ledger_events
    WHERE notification_id = ANY (%s) ORDER BY notification_id
"""  # noqa: S608 -- constants
_EMPTY: Final = """
    UPDATE raphus.ledger_events AS e SET state = new.state, content_hash = new.content_hash
    FROM unnest(%b::bigint[], %b::bytea[], %b::bytea[]) AS new (position, state, content_hash)
    WHERE e.notification_id = new.position
"""
_mapper: Final = LedgerMapper()


class ErasureError(RaphusError):
    """Nothing was erased; the message tells why, and what to do."""


class UnknownCustomerError(ErasureError):
    """The log does not name the customer."""

    def __init__(self) -> None:
        super().__init__("no webhook in the log names a customer with this id")


class SeveralBusinessesError(ErasureError):
    """A customer's id is known to several businesses, and it is not said which is meant."""

    def __init__(self, businesses: Iterable[str]) -> None:
        names = ", ".join(sorted(businesses))
        super().__init__(f"customers of several businesses have this id: say which one ({names})")


class BusyError(ErasureError):
    """Others hold what must not be changed under them, or must not outlive the erasure."""

    def __init__(self) -> None:
        super().__init__(
            "nothing was erased: read models are being rebuilt, or made as they were known at some"
            " time. Ask again when that has ended"
        )


class Request(NamedTuple):
    """What is asked for; without a business, the only one that knows the customer is meant."""

    customer_id: str
    business_id: str | None
    reason: str
    requested_by: str | None


class _Stored(NamedTuple):
    """A row of the log, decoded; `content_hash` where it was emptied before."""

    event: Event
    state: bytes
    content_hash: bytes | None

    @property
    def position(self) -> int:
        return self.event.position or 0

    @property
    def home(self) -> str:
        """The stream to which it belongs by what is understood now."""
        recorded = self.event.originator_id
        return route(self.event.delivery).stream_id if is_notice(recorded) else recorded

    @property
    def business_id(self) -> str:
        """The tenant, empty where the body does not say it."""
        stream = self.event.originator_id
        if not is_notice(stream):
            return parts_of(stream)[1]
        try:
            return read_envelope(self.event.delivery.body).business_id
        except UnreadableError:
            return ""


class Search:
    """What the log has about a customer, up to a position, which only grows.

    A row is his if its body names him; or if it names nobody, and its stream is his: so a stream
    that two customers share loses only what is not the other's. A body that cannot be parsed is
    his if his id stands in it as a word.

    `types` has the position of each row with something personal in it, and its type. `streams`
    are those of his aggregates, `homes` those to which rows with something personal in them
    belong; `touched` are these and the ones under which such rows were recorded.
    """

    def __init__(self, conn: Connection[Any], customer_id: str, business_id: str | None) -> None:
        self._conn = conn
        self._customer_id = customer_id
        self._asked = business_id
        self.reached = 0
        self.types: dict[int, str] = {}
        self.streams: set[str] = set()
        self.homes: set[str] = set()
        self.touched: set[str] = set()
        self._businesses: set[str] = set()
        self._is_named = False

    @property
    def business_id(self) -> str:
        """The business whose customer he is.

        Raises:
            UnknownCustomerError: nothing that was found names him.
            SeveralBusinessesError: it is not said which is meant.
        """
        if not self._is_named:
            raise UnknownCustomerError
        if len(self._businesses) > 1:
            raise SeveralBusinessesError(self._businesses)
        return next(iter(self._businesses), self._asked or "")

    @property
    def counts(self) -> dict[str, int]:
        """How many rows of each type have something personal in them."""
        return dict(sorted(Counter(self.types.values()).items()))

    def to_the_end(self) -> list[int]:
        """Look at what was appended since the last time; return the positions found."""
        ((until,),) = self._select(LOG_END.sql, [])
        after, before = self.reached, set(self.streams)
        found: list[int] = []
        for row in self._rows(self._positions(_NAMING, [after, until, self._customer_id])):
            found += self._take_naming(row)
        self.streams |= self._owned()
        # A payment may be heard of after its dispute.
        self._take_disputes(after if self.streams == before else 0, until)
        for streams, since in ((before, after), (self.streams - before, 0)):
            positions = self._positions(_OF_STREAMS, [list(streams), since, until])
            for row in self._rows(position for position in positions if position not in self.types):
                found += self._take_unnamed(row)
        self.reached = until
        return sorted(found)

    def _take_naming(self, row: _Stored) -> list[int]:
        if is_erasure(row.event.originator_id) or not self._is_of_business(row):
            return []
        if not names(row.event.delivery.body, self._customer_id):
            return []
        self._is_named = True
        if row.business_id:
            self._businesses.add(row.business_id)
        if not is_notice(row.home):
            self.streams.add(row.home)
        return self._note(row)

    def _take_unnamed(self, row: _Stored) -> list[int]:
        return self._note(row) if is_about(row.event.delivery.body, self._customer_id) else []

    def _take_disputes(self, after: int, until: int) -> None:
        """Add the disputes of his payments, which may name nobody."""
        for row in self._rows(self._positions(_DISPUTES, [after, until])):
            envelope = read_envelope(row.event.delivery.body)
            payment_id = identity(envelope.data.get("payment_id")) or ""
            named = customers_of(row.event.delivery.body)
            if not named and stream_id("payment", row.business_id, payment_id) in self.streams:
                self.streams.add(row.event.originator_id)

    def _owned(self) -> set[str]:
        rows = self._select(OWNED, {"customer_id": self._customer_id})
        streams = {str(stream) for (stream,) in rows}
        if self._asked is None:
            return streams
        return {stream for stream in streams if parts_of(stream)[1] == self._asked}

    def _is_of_business(self, row: _Stored) -> bool:
        return self._asked is None or row.business_id in {self._asked, ""}

    def _note(self, row: _Stored) -> list[int]:
        body = row.event.delivery.body
        if emptied(body) == body:
            return []
        self.types[row.position] = row.event.topic
        self.homes.add(row.home)
        self.touched |= {row.home, row.event.originator_id}
        return [row.position]

    def _positions(self, statement: str, parameters: Sequence[object]) -> list[int]:
        return [position for (position,) in self._select(statement, parameters)]

    def _select(self, statement: str, parameters: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401 -- psycopg's
        with self._conn.cursor(row_factory=tuple_row) as curs:
            return curs.execute(statement.encode(), parameters).fetchall()

    def _rows(self, positions: Iterable[int]) -> Iterator[_Stored]:
        for chunk in _chunks(self._conn, positions):
            yield from chunk


def empty(
    conn: Connection[Any], positions: Sequence[int], erased_by: str
) -> list[tuple[int, bytes]]:
    """Empty the rows at these positions in the caller's transaction.

    Returns each position with the SHA-256 of the state that stands there now. A row in which
    nothing personal is left is not touched.
    """
    done: list[tuple[int, bytes]] = []
    for chunk in _chunks(conn, positions):
        changed = [(row, state) for row in chunk if (state := _emptied(row, erased_by))]
        if changed:
            places = [row.position for row, _ in changed]
            states = [state for _, state in changed]
            hashes = [row.content_hash or sha256(row.state).digest() for row, _ in changed]
            conn.execute(_EMPTY, [places, states, hashes])
            done += zip(places, (sha256(state).digest() for state in states), strict=True)
    return done


def append(
    conn: Connection[Any],
    recorder: LedgerRecorder,
    head: LogHead,
    customer: tuple[str, Request],
    rows: Sequence[tuple[int, bytes]],
    webhook_id: str,
) -> int:
    """Append the event of an erasure behind an end that is closed, and return its position.

    `customer` is his business and what was asked for; `rows` are those that were emptied.
    """
    business_id, request = customer
    ascending = sorted(rows)
    erasure = Erasure(
        customer_id=request.customer_id,
        reason=request.reason,
        requested_by=request.requested_by,
        count=len(ascending),
        positions=ranges(position for position, _ in ascending),
        contents=b"".join(content for _, content in ascending),
    )
    stream = stream_of(business_id, request.customer_id)
    body = body_of(business_id, erasure, head.database_at)
    own = OwnEvent(stream, TOPIC, body, webhook_id)
    (position,) = own_events.append(conn, recorder, head, [own])
    return position


def new_webhook_id() -> str:
    """Return the webhook-id of a new erasure."""
    return f"raphus_erasure_{uuid4().hex}"


def _emptied(row: _Stored, erased_by: str) -> bytes | None:
    delivery = row.event.delivery
    body = emptied(delivery.body)
    if body == delivery.body:
        return None
    headers = delivery.webhook_id, delivery.webhook_timestamp, delivery.webhook_signature
    return encode(ErasedDelivery(*headers, body, delivery.body_hash, erased_by))


def _chunks(conn: Connection[Any], positions: Iterable[int]) -> Iterator[list[_Stored]]:
    """Read rows in order of position, so many at once as have `CHUNK_BYTES_MAX` together."""
    with conn.cursor(row_factory=tuple_row, binary=True) as curs:
        chunk: list[int] = []
        chunk_bytes = 0
        for position, size_bytes in curs.execute(_SIZES, [list(positions)]).fetchall():
            if chunk and chunk_bytes + size_bytes > CHUNK_BYTES_MAX:
                yield _stored(conn, chunk)
                chunk, chunk_bytes = [], 0
            chunk.append(position)
            chunk_bytes += size_bytes
        if chunk:
            yield _stored(conn, chunk)


def _stored(conn: Connection[Any], positions: Sequence[int]) -> list[_Stored]:
    with conn.cursor(row_factory=tuple_row, binary=True) as curs:
        rows = curs.execute(_ROWS, [list(positions)]).fetchall()
    return [_Stored(_mapper.decode(*row[:-1]), row[3], row[-1]) for row in rows]
