"""An erasure: what the log says of a customer's personal data that were taken out of it."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from itertools import chain
from typing import TYPE_CHECKING, Final

import msgspec

from domain.aggregate import Aggregate
from domain.delivery import Delivery
from domain.stream_id import parts_of, stream_id
from domain.timeline import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from domain.event import Event
    from domain.timeline import Folded

ERASURE: Final = "erasure"
"""The first part of the stream ids of erasures, to which no delivery from outside is routed."""
TOPIC: Final = "raphus.personal_data_erased"
_HASH_BYTES: Final = sha256().digest_size


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """What was erased: the bodies at `positions`, ascending, as ranges from first to last.

    `contents` has the SHA-256 of the state that stands at each position since, one after the
    other: an emptied row cannot be changed unnoticed.
    """

    customer_id: str
    reason: str
    requested_by: str | None
    count: int
    positions: list[tuple[int, int]]
    contents: bytes

    def emptied(self) -> Iterator[tuple[int, bytes]]:
        """Yield each position with the SHA-256 of the state that stands there since."""
        positions = chain.from_iterable(range(first, last + 1) for first, last in self.positions)
        for number, position in enumerate(positions):
            yield position, self.contents[number * _HASH_BYTES : (number + 1) * _HASH_BYTES]


class _Body(msgspec.Struct, frozen=True):
    type: str
    business_id: str
    timestamp: datetime
    data: Erasure


_decode: Final = msgspec.json.Decoder(_Body).decode


def ranges(positions: Iterable[int]) -> list[tuple[int, int]]:
    """Return ascending positions as ranges from first to last."""
    found: list[tuple[int, int]] = []
    for position in positions:
        if found and found[-1][1] == position - 1:
            found[-1] = found[-1][0], position
        else:
            found.append((position, position))
    return found


def stream_of(business_id: str, customer_id: str) -> str:
    """Return the stream of a customer's erasures."""
    return stream_id(ERASURE, business_id, customer_id)


def is_erasure(stream: str) -> bool:
    """Tell whether a stream is one of erasures, and so not from outside."""
    return stream.startswith(f"{ERASURE}/")


def delivery_of(business_id: str, erasure: Erasure, at: datetime, webhook_id: str) -> Delivery:
    """Return the erasure as it is stored; it is of our own, and not signed."""
    body = _Body(TOPIC, business_id, at, erasure)
    return Delivery(webhook_id, "", "", msgspec.json.encode(body))


def read_erasure(delivery: Delivery) -> Erasure:
    """Read an event of a stream of erasures.

    Raises:
        msgspec.MsgspecError: it is none.
    """
    return _decode(delivery.body).data


class Erasures(Aggregate):
    """The erasures of one customer; they have no state, and judge nothing."""

    def occurred_by(self, instant: datetime) -> list[Event]:
        """Return those that had been recorded by then: an erasure occurs when it is recorded."""
        return [one for one in self.events if one.recorded_at and one.recorded_at <= instant]

    def folded(self) -> dict[tuple[str, str], Folded]:
        """Return nothing: an erasure is about no entity."""
        return {}

    def timeline(self) -> list[Entry]:
        """Return a line for each."""
        customer_id = parts_of(self.id)[2]
        return [_entry(event, customer_id) for event in self.events]


def _entry(event: Event, customer_id: str) -> Entry:
    if event.recorded_at is None:
        raise ValueError("only recorded events can be listed")
    return Entry(
        kind=ERASURE,
        id=customer_id,
        webhook_id=event.delivery.webhook_id,
        type=event.topic,
        occurred_at=event.recorded_at,
        recorded_at=event.recorded_at,
        position=str(event.position),
        verdict=None,
        reason=None,
        gap=False,
        from_=None,
        to=None,
        changes=(),
    )
