"""Routing: which stream a delivery belongs to, decided by its type and its ids alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from domain.delivery import Delivery, UnreadableError, read_envelope
from domain.dispute import Dispute
from domain.fields import identity
from domain.license_key import LicenseKey
from domain.payment import Payment
from domain.stream_id import stream_id
from domain.subscription import Subscription

if TYPE_CHECKING:
    from collections.abc import Mapping

    from domain.entity import Kind

STREAMS: Final = {
    "payment": Payment,
    "subscription": Subscription,
    "dispute": Dispute,
    "license_key": LicenseKey,
}
"""The aggregates, by the first part of their streams' ids."""
NOTICE: Final = "notice"
"""The first part of the stream ids of what no aggregate takes."""
UNREADABLE: Final = "unreadable"
"""The topic of a verified body that does not say what a delivery must say."""
KINDS: Final = {kind.name: kind for aggregate in STREAMS.values() for kind in aggregate.kinds}
THROUGH_PAYMENT: Final = frozenset({"refund", "dispute"})
"""The kinds whose customer is their payment's, where their own data does not say it."""
_TAKEN: Final = {
    type_: (stream, kind)
    for stream, aggregate in STREAMS.items()
    for kind in aggregate.kinds
    for type_ in kind.machine.types
}


class Route(NamedTuple):
    """Where a delivery goes. `problem` tells why a type that an aggregate takes went astray."""

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
    for name in (kind.id_field, kind.stream_id_field):
        if identity(data.get(name)) is None:
            raise UnreadableError(f"data.{name} is missing, or not an id")
    return str(data[kind.stream_id_field])
