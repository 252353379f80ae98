"""One signed POST from Dodo, verbatim, and what its body says."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

ID_CHARS_MAX: Final = 200
"""No id of Dodo's comes near it; a longer one would not fit into an index."""
TYPE_CHARS_MAX: Final = 100
DEPTH_MAX: Final = 100
"""Of objects and lists inside one another; Dodo's go six deep."""


class Delivery(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One signed POST, as it came: three headers and the body, to the byte."""

    webhook_id: str
    webhook_timestamp: str
    webhook_signature: str
    body: bytes

    @property
    def body_hash(self) -> bytes:
        """The SHA-256 of the body as it came, also where it has been emptied since."""
        return hashlib.sha256(self.body).digest()


class ErasedDelivery(Delivery, frozen=True, array_like=True, gc=False):
    """A delivery whose body was emptied of what identified a person.

    `came_as` is the SHA-256 of the body as it came, by which a retry is known. `erased_by` is the
    webhook-id of the erasure.
    """

    came_as: bytes
    erased_by: str

    @property
    def body_hash(self) -> bytes:
        """The SHA-256 of the body as it came."""
        return self.came_as


def is_same(one: Delivery, other: Delivery) -> bool:
    """Tell whether two deliveries came as the same: by webhook-id and body, to the byte."""
    if one.webhook_id != other.webhook_id:
        return False
    if isinstance(one, ErasedDelivery) or isinstance(other, ErasedDelivery):
        return one.body_hash == other.body_hash
    return one.body == other.body


class UnreadableError(ValueError):
    """A verified body that does not say what a delivery must say; the message tells what."""


class Envelope(msgspec.Struct, frozen=True):
    """What every delivery says: that `type` happened at `timestamp`, in UTC, to `data`."""

    type: str
    business_id: str
    timestamp: datetime
    data: dict[str, Any]


# A number beyond a float's range is read as infinite: it is nothing's value, and no obstacle.
_decode = msgspec.json.Decoder(Envelope, float_hook=float).decode
# A string that does not end reaches to the end of the body, so that every byte is looked at once:
# were it no match, the search would begin anew at each of the quotes in it.
_brackets = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_DEEPER: Final = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}


def read_envelope(body: bytes) -> Envelope:
    """Read a body (docs/dodo.md, sections 1 and 2: these four are required, and nothing else).

    Raises:
        UnreadableError: not JSON, or one of the four is missing, malformed or too long. The
            message quotes nothing of the body.
    """
    if nests_too_deep(body):
        raise UnreadableError("the body is nested too deeply")
    try:
        envelope = _decode(body)
        occurred_at = as_utc(envelope.timestamp)
    except UnicodeDecodeError as error:
        raise UnreadableError("the body is not UTF-8") from error
    except (msgspec.MsgspecError, OverflowError) as error:
        raise UnreadableError(f"the body is not a delivery: {error}") from error
    if not is_name(envelope.type, TYPE_CHARS_MAX):
        raise UnreadableError(f"type is empty, unprintable or over {TYPE_CHARS_MAX} characters")
    if not is_name(envelope.business_id, ID_CHARS_MAX):
        raise UnreadableError(
            f"business_id is empty, unprintable or over {ID_CHARS_MAX} characters"
        )
    if occurred_at is envelope.timestamp:
        return envelope
    return msgspec.structs.replace(envelope, timestamp=occurred_at)


def nests_too_deep(body: bytes) -> bool:
    """Tell whether a body is nested deeper than any that is parsed."""
    # How deep the parser itself can go depends on who calls it, and so must not decide.
    if body.count(b"[") + body.count(b"{") <= DEPTH_MAX:
        return False
    depth = 0
    for token in _brackets.finditer(body):
        depth += _DEEPER.get(token[0], 0)
        if depth > DEPTH_MAX:
            return True
    return False


def is_name(value: object, chars_max: int) -> bool:
    """Tell whether a value can stand in a key: printable text of a sensible length."""
    return isinstance(value, str) and 0 < len(value) <= chars_max and value.isprintable()


def as_utc(moment: datetime) -> datetime:
    """Return the same instant in UTC; a moment without an offset is taken to be in UTC.

    Raises:
        OverflowError: the instant lies outside the years 1 to 9999.
    """
    if moment.tzinfo is UTC:
        return moment
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
