"""Events to bytes and back; a body stays as it came, to the byte."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

import msgspec
from eventsourcing.persistence import JSONTranscoder, Mapper, Notification, StoredEvent

from domain.delivery import Delivery, ErasedDelivery
from domain.event import Event

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from eventsourcing.domain import DomainEventProtocol

COLUMNS: Final = "originator_id, originator_version, topic, state, notification_id, recorded_at"
"""The columns of the log that `decode` takes, in its order."""
COLUMN_TYPES: Final = ("text", "int8", "text", "bytea", "int8", "timestamptz")
"""Their types, as a binary COPY must be told them."""
_FORMAT: Final = 1
_ERASED_FORMAT: Final = 2
_encode = msgspec.msgpack.Encoder().encode
# A stored state begins with a byte that names its format; old formats stay readable for ever.
_DECODERS: Final[dict[int, Callable[[memoryview], Delivery]]] = {
    _FORMAT: msgspec.msgpack.Decoder(Delivery).decode,
    _ERASED_FORMAT: msgspec.msgpack.Decoder(ErasedDelivery).decode,
}


@dataclass(frozen=True)
class StoredDelivery(StoredEvent):
    """A stored event with the parts of its state that the recorder needs.

    It looks events up by `webhook_id`, and checks the clocks by `webhook_timestamp`.
    """

    webhook_id: str
    webhook_timestamp: str


@dataclass(frozen=True)
class RecordedEvent(Notification):
    """A stored event as it was committed: with its position (`id`) and its time."""

    recorded_at: datetime


class UnknownFormatError(ValueError):
    """A state was stored by a newer release; run that release."""


def encode(delivery: Delivery) -> bytes:
    """Return the state that is stored of a delivery."""
    format_ = _ERASED_FORMAT if isinstance(delivery, ErasedDelivery) else _FORMAT
    return bytes((format_,)) + _encode(delivery)


class LedgerMapper(Mapper[str]):
    """Maps a delivery to msgpack: its body is one binary string, whatever its bytes are."""

    def __init__(self) -> None:
        super().__init__(transcoder=JSONTranscoder())

    def to_stored_event(self, domain_event: DomainEventProtocol[str]) -> StoredDelivery:
        """Encode an event's delivery."""
        event = cast("Event", domain_event)
        return StoredDelivery(
            event.originator_id,
            event.originator_version,
            event.topic,
            encode(event.delivery),
            event.delivery.webhook_id,
            event.delivery.webhook_timestamp,
        )

    def to_domain_event(self, stored_event: StoredEvent) -> Event:
        """Decode a stored event; one that was committed has its position and time.

        Raises:
            UnknownFormatError: the state is of a format that this release does not know.
        """
        stream, version = str(stored_event.originator_id), stored_event.originator_version
        topic, state = stored_event.topic, stored_event.state
        if isinstance(stored_event, RecordedEvent):
            committed = stored_event.id, stored_event.recorded_at
            return self.decode(stream, version, topic, state, *committed)
        return self.decode(stream, version, topic, state)

    def decode(
        self,
        originator_id: str,
        originator_version: int,
        topic: str,
        state: bytes,
        position: int | None = None,
        recorded_at: datetime | None = None,
    ) -> Event:
        """Decode one row of the log: its `COLUMNS`, the last two None before the commit.

        Raises:
            UnknownFormatError: the state is of a format that this release does not know.
        """
        view = memoryview(state)
        try:
            delivery = _DECODERS[view[0]](view[1:])
        except KeyError as error:
            raise UnknownFormatError(f"format {view[0]} of position {position}") from error
        return Event(originator_id, originator_version, topic, delivery, position, recorded_at)
