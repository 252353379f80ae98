"""Which stream a delivery belongs to, decided by its type and its ids alone."""

from __future__ import annotations

from typing import Final, NamedTuple

from domain.aggregates.catalogue import STREAMS
from domain.delivery import Delivery, UnreadableError, read_envelope
from domain.stream_id import stream_id

NOTICE: Final = "notice"
"""The first part of the stream ids of what no aggregate takes."""
UNREADABLE: Final = "unreadable"
"""The topic of a verified body that does not say what a delivery must say."""
_TAKEN: Final = {
    type_: (stream, kind)
    for stream, aggregate in STREAMS.items()
    for kind in aggregate.kinds
    for type_ in kind.machine.types
}


def types_taken() -> frozenset[str]:
    """Return the types that aggregates take."""
    return frozenset(_TAKEN)


class Route(NamedTuple):
    """Where a delivery goes.

    `problem` tells why a delivery of a type that an aggregate takes is a notice all the same.
    """

    stream_id: str
    topic: str
    problem: str | None = None


def route(delivery: Delivery) -> Route:
    """Find the stream of a verified delivery. Every one has a stream, whatever its content."""
    notice = stream_id(NOTICE, delivery.webhook_id)
    topic = UNREADABLE
    try:
        envelope = read_envelope(delivery.body)
        topic = envelope.type
        if topic not in _TAKEN:
            return Route(notice, topic)
        stream, kind = _TAKEN[topic]
        place = kind.place_of(envelope.data)
    except UnreadableError as error:
        return Route(notice, topic, str(error))
    return Route(stream_id(stream, envelope.business_id, *place), topic)
