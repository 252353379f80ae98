"""Which stream a delivery, or a look, belongs to, decided by its type and its ids alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from domain.aggregates.announcement import is_announcement
from domain.aggregates.catalogue import KINDS, STREAMS
from domain.aggregates.erasure import is_erasure
from domain.delivery import Delivery, UnreadableError, read_envelope
from domain.look import MISSING, OBSERVED, data_of, is_look, topic_of, word_of
from domain.stream_id import stream_id

if TYPE_CHECKING:
    from domain.look import Look

NOTICE: Final = "notice"
"""The first part of the stream ids of what no aggregate takes."""
_OF_NOTICES: Final = f"{NOTICE}/"
UNREADABLE: Final = "unreadable"
"""The topic of a verified body that does not say what a delivery must say."""
_TAKEN: Final = {
    type_: (stream, kind)
    for stream, aggregate in STREAMS.items()
    for kind in aggregate.kinds
    for type_ in kind.machine.types
}

KINDS_BY_LOOK: Final = {
    topic_of(name, word): kind for name, kind in KINDS.items() for word in (OBSERVED, MISSING)
}
"""The kinds, by the topics of looks at them."""
_STREAM_OF: Final = {
    kind.name: stream for stream, aggregate in STREAMS.items() for kind in aggregate.kinds
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
    topic = UNREADABLE
    try:
        envelope = read_envelope(delivery.body)
        topic = envelope.type
        if topic not in _TAKEN:
            return Route(stream_id(NOTICE, delivery.webhook_id), topic)
        stream, kind = _TAKEN[topic]
        place = kind.place_of(envelope.data)
    except UnreadableError as error:
        return Route(stream_id(NOTICE, delivery.webhook_id), topic, str(error))
    return Route(stream_id(stream, envelope.business_id, *place), topic)


def route_of(look: Look) -> Route:
    """Find the stream of a look.

    Raises:
        KeyError: there is no such kind.
        UnreadableError: what was said and asked does not name the thing, or not its stream.
    """
    kind = KINDS[look.kind]
    place = kind.place_of(data_of(look))
    stream = stream_id(_STREAM_OF[kind.name], look.business_id, *place)
    return Route(stream, topic_of(kind.name, word_of(look)))


def route_again(delivery: Delivery) -> Route:
    """Find the stream of what is recorded: a delivery, or a look, which has no signature."""
    if delivery.webhook_signature:
        return route(delivery)
    try:
        envelope = read_envelope(delivery.body)
        kind = KINDS_BY_LOOK[envelope.type]
        place = kind.place_of(envelope.data)
    except (KeyError, UnreadableError):
        return route(delivery)
    return Route(stream_id(_STREAM_OF[kind.name], envelope.business_id, *place), envelope.type)


def is_notice(stream: str) -> bool:
    """Tell whether a stream is a notice's."""
    return stream.startswith(_OF_NOTICES)


def is_signed(stream: str, topic: str) -> bool:
    """Tell whether what stands in a stream under a topic came from outside, with a signature.

    Erasures, looks and announcements are our own. A webhook that claims to be one is a notice.
    """
    is_own = is_erasure(stream) or is_announcement(stream)
    return not is_own and (is_notice(stream) or not is_look(topic))


def is_told(stream: str, topic: str) -> bool:
    """Tell whether routes may take what stands in a stream under a topic.

    That is what came from outside, and what is announced. A look is no fact, and an erasure is for
    the log alone.
    """
    return is_announcement(stream) or is_signed(stream, topic)
