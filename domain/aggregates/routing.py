"""Which stream a delivery belongs to, decided by its type and its ids alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from domain.aggregates.catalogue import STREAMS
from domain.delivery import Delivery, UnreadableError, read_envelope
from domain.field_readers import identity
from domain.stream_id import stream_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from domain.entity import Kind

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
        aggregate_id = _id_in(envelope.data, kind)
    except UnreadableError as error:
        return Route(notice, topic, str(error))
    return Route(stream_id(stream, envelope.business_id, aggregate_id), topic)


def _id_in(data: Mapping[str, Any], kind: Kind) -> str:
    stream_field = kind.stream_field or kind.id_field
    for name in (kind.id_field, stream_field):
        if identity(data.get(name)) is None:
            raise UnreadableError(f"data.{name} is missing, or not an id")
    return str(data[stream_field])
