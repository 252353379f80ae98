"""Arrays of texts and of bytes as parameters, encoded at once.

psycopg looks at each item of a list, several times, to find the array's type. Where it is known,
the same bytes are made in a fraction of the time.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from psycopg import adapters
from psycopg.adapt import Dumper
from psycopg.postgres import types
from psycopg.pq import Format

# One dimension, no nulls, the items' type, how many, the first one's number.
_header: Final = Struct(">iiIii").pack
_length: Final = Struct(">i").pack


class TextArray(list[str]):
    """Texts, as a parameter of type text[]; none is None."""


class BytesArray(list[bytes]):
    """Byte strings, as a parameter of type bytea[]; none is None."""


class _TextArrayDumper(Dumper):
    format = Format.BINARY
    oid = types["text"].array_oid

    def dump(self, obj: TextArray) -> bytes:
        return _encode(types["text"].oid, [text.encode() for text in obj])


class _BytesArrayDumper(Dumper):
    format = Format.BINARY
    oid = types["bytea"].array_oid

    def dump(self, obj: BytesArray) -> bytes:
        return _encode(types["bytea"].oid, obj)


def _encode(oid: int, items: list[bytes]) -> bytes:
    parts = [_header(1, 0, oid, len(items), 1)]
    for item in items:
        parts += (_length(len(item)), item)
    return b"".join(parts)


adapters.register_dumper(TextArray, _TextArrayDumper)
adapters.register_dumper(BytesArray, _BytesArrayDumper)
