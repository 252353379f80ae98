"""An erasure: what the log says of a customer's personal data that were taken out of it."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from itertools import chain
from typing import TYPE_CHECKING, Final

import msgspec

from domain.aggregates.own_events import OwnEvents
from domain.delivery import Delivery
from domain.stream_id import stream_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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


def body_of(business_id: str, erasure: Erasure, at: datetime) -> bytes:
    """Return the erasure as it is stored."""
    return msgspec.json.encode(_Body(TOPIC, business_id, at, erasure))


def read_erasure(delivery: Delivery) -> Erasure:
    """Read an event of a stream of erasures.

    Raises:
        msgspec.MsgspecError: it is none.
    """
    return _decode(delivery.body).data


class Erasures(OwnEvents):
    """The erasures of one customer."""

    name = ERASURE
