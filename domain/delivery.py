"""Deliveries: one signed POST from Dodo, verbatim, and what its body says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import msgspec

ID_CHARS_MAX: Final = 200
"""No id of Dodo's comes near it; a longer one would not fit into an index."""
TYPE_CHARS_MAX: Final = 100


class Delivery(msgspec.Struct, frozen=True, array_like=True):
    """One signed POST, as it came: three headers and the body, to the byte."""

    webhook_id: str
    webhook_timestamp: str
    webhook_signature: str
    body: bytes


class UnreadableError(ValueError):
    """A verified body that does not say what a delivery must say; the message tells what."""


class Envelope(msgspec.Struct, frozen=True):
    """What every delivery says: that `type` happened at `timestamp`, in UTC, to `data`."""

    type: str
    business_id: str
    timestamp: datetime
    data: msgspec.Raw


_decoder = msgspec.json.Decoder(Envelope)


def read_envelope(body: bytes) -> Envelope:
    """Read the envelope of a body (dodo.md, sections 1 and 2: these four and nothing else).

    Raises:
        UnreadableError: not JSON, or one of the four is missing, malformed or too long. The
            message quotes nothing of the body.
    """
    try:
        envelope = _decoder.decode(body)
        occurred_at = as_utc(envelope.timestamp)
    except RecursionError as error:
        raise UnreadableError("the body is nested too deeply") from error
    except (msgspec.MsgspecError, OverflowError) as error:
        raise UnreadableError(f"the body is not a delivery: {error}") from error
    if not is_name(envelope.type, TYPE_CHARS_MAX):
        raise UnreadableError(f"type is empty, unprintable or over {TYPE_CHARS_MAX} characters")
    if not is_name(envelope.business_id, ID_CHARS_MAX):
        raise UnreadableError(
            f"business_id is empty, unprintable or over {ID_CHARS_MAX} characters"
        )
    if not bytes(envelope.data).startswith(b"{"):
        raise UnreadableError("data is not an object")
    return msgspec.structs.replace(envelope, timestamp=occurred_at)


def is_name(value: object, chars_max: int) -> bool:
    """Tell whether a value can stand in a key: printable text of a sensible length."""
    return isinstance(value, str) and 0 < len(value) <= chars_max and value.isprintable()


def as_utc(moment: datetime) -> datetime:
    """Return the same instant in UTC; a moment without an offset is taken to be in UTC.

    Raises:
        OverflowError: the instant lies outside the years 1 to 9999.
    """
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
