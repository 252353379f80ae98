"""What Dodo's API said of one thing at one instant: an observation in the log, never a fact."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from domain.delivery import Delivery, UnreadableError, as_utc, nests_too_deep
from domain.personal_data import emptied

if TYPE_CHECKING:
    from collections.abc import Mapping

OBSERVED: Final = "observed"
"""The word of a look at what Dodo has."""
MISSING: Final = "missing"
"""The word of a look at what Dodo does not have."""
RANK_OF_LOOKS: Final = 999
"""Looks come behind all facts of their instant, which Dodo knew when it answered."""
_PREFIX: Final = "raphus."


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What the API said of one thing.

    `kind` is the name of the thing's kind. `at` is not after the instant of the answer. `endpoint`
    is where it was read, as `GET /refunds`. `data` is the object as it came, to the byte; None
    where Dodo does not have it. `asked` are fields that the question said and the answer does not:
    ids that name the thing or its stream, and `archived` of products. They stand in for what `data`
    lacks or says to be null.
    """

    kind: str
    business_id: str
    at: datetime
    endpoint: str
    data: bytes | None
    asked: Mapping[str, str | bool] = msgspec.field(default_factory=dict)


class _Source(msgspec.Struct, frozen=True):
    endpoint: str


class _Body(msgspec.Struct, frozen=True):
    type: str
    business_id: str
    timestamp: datetime
    source: _Source
    data: msgspec.Raw


class _Told(msgspec.Struct, frozen=True):
    data: dict[str, msgspec.Raw]


_decode_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_data: Final = msgspec.json.Decoder(dict[str, Any], float_hook=float).decode
_decode_told: Final = msgspec.json.Decoder(_Told).decode
_NULL: Final = b"null"


def topic_of(kind: str, word: str) -> str:
    """Return the topic, which is the type too, of looks at a kind of thing."""
    return f"{_PREFIX}{kind}_{word}"


def is_look(topic: str) -> bool:
    """Tell whether a topic is that of looks; a notice may have it, too (`routing.is_signed`)."""
    return topic.startswith(_PREFIX) and topic.endswith((f"_{OBSERVED}", f"_{MISSING}"))


def word_of(look: Look) -> str:
    """Return which of the two words a look says."""
    return MISSING if look.data is None else OBSERVED


def data_of(look: Look) -> dict[str, Any]:
    """Return what a look says, with what was asked.

    Raises:
        UnreadableError: `data` is no JSON object, or nested too deeply.
    """
    return _decode_data(_merged(look))


def delivery_of(look: Look, webhook_id: str) -> Delivery:
    """Return a look as it is stored; it is of our own, and not signed.

    Raises:
        UnreadableError: `data` is no JSON object, or nested too deeply.
    """
    body = _Body(
        topic_of(look.kind, word_of(look)),
        look.business_id,
        as_utc(look.at),
        _Source(look.endpoint),
        msgspec.Raw(_merged(look)),
    )
    return Delivery(webhook_id, "", "", msgspec.json.encode(body))


def told_by(body: bytes) -> frozenset[str]:
    """Return the fields that the body of a look says, null or not; all others it leaves open."""
    return frozenset(_decode_told(body).data)


def without_persons(delivery: Delivery) -> Delivery:
    """Return a look without what identifies a person."""
    return msgspec.structs.replace(delivery, body=emptied(delivery.body))


def _merged(look: Look) -> bytes:
    data = b"{}" if look.data is None else look.data
    if nests_too_deep(data):
        raise UnreadableError("the object is nested too deeply")
    try:
        # All of it is decoded, since the parts that are copied are not looked at.
        _decode_data(data)
        said = _decode_object(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UnreadableError("the API's answer is not a JSON object") from error
    added = {
        name: msgspec.Raw(msgspec.json.encode(value))
        for name, value in look.asked.items()
        if bytes(said.get(name, _NULL)) == _NULL
    }
    return msgspec.json.encode(said | added) if added else data
