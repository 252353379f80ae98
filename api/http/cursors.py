"""Where the next page begins, as opaque text that only the list that gave it takes."""

from __future__ import annotations

import base64
import binascii
from hashlib import blake2s
from typing import Any, Final, Generic, TypeVar

import msgspec

from projections.listing import BigInt

Key = TypeVar("Key")
CHARS_MAX: Final = 1_200
_CHECK_BYTES: Final = 8
_PROBLEM: Final = "is not a cursor of this list: take `next` of the page before"


class Cursor(Generic[Key]):
    """The cursors of one list, whose rows are sorted by a key of this type.

    The check is against mistakes, not against malice: whoever may read a list may read all of
    it that his API key is shown, so a made-up cursor could show nothing new. What its type allows
    is therefore all that a key may be, and must be what the list can be asked for.
    """

    def __init__(self, list_name: str, key: type[Key]) -> None:
        self.key = key
        self._name = list_name.encode()
        self._decoder: Any = msgspec.msgpack.Decoder(key if key is not int else BigInt)
        self.meta = msgspec.Meta(
            description="Where to go on: `next` of the page before.",
            extra={
                "must": _PROBLEM,
                "lex": self.read,
                "schema": {"type": "string", "pattern": f"^[A-Za-z0-9_-]{{1,{CHARS_MAX}}}$"},
            },
        )
        """What is said of a field that takes such a cursor, and is the key."""

    def write(self, key: Key) -> str:
        """Return the cursor that goes on behind a row."""
        return self.sealed(msgspec.msgpack.encode(key))

    def sealed(self, packed: bytes) -> str:
        """Return a key in MessagePack as text, with the list's check."""
        return base64.urlsafe_b64encode(self._check(packed) + packed).rstrip(b"=").decode()

    def read(self, cursor: str) -> Key:
        """Return the key that a cursor stands for.

        Raises:
            ValueError: this list never gave it.
        """
        try:
            padded = cursor[:CHARS_MAX].encode("ascii") + b"=" * (-len(cursor) % 4)
            packed = base64.urlsafe_b64decode(padded)[_CHECK_BYTES:]
            key: Key = self._decoder.decode(packed)
            written = self.write(key)
        except (UnicodeError, OverflowError, binascii.Error, msgspec.DecodeError) as error:
            raise ValueError(_PROBLEM) from error
        if written != cursor:
            raise ValueError(_PROBLEM)
        return key

    def _check(self, packed: bytes) -> bytes:
        digest = blake2s(self._name + b"\0" + packed, digest_size=_CHECK_BYTES).digest()
        # So that no cursor begins with a hyphen, which would make it an option of a command.
        return bytes([digest[0] & 0x7F]) + digest[1:]
