"""How one value of Dodo's is read: whatever stands there, the result has the declared type.

What a reader has read, it reads to the same.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING, Final, cast, get_args, get_origin, get_type_hints

import msgspec

from domain.delivery import ID_CHARS_MAX, as_utc

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TEXT_CHARS_MAX: Final = 500
ITEMS_MAX: Final = 100
INT64_MAX: Final = 2**63 - 1
PAIRS_MAX: Final = 50
"""Of metadata: Dodo takes no more (docs.dodopayments.com/api-reference/metadata)."""
KEY_CHARS_MAX: Final = 100
"""Of a key of metadata; Dodo's have 40 at the most."""
DECIMAL_INTEGER_DIGITS_MAX: Final = 10
DECIMAL_PLACES_MAX: Final = 28
"""Of credits: they are NUMERIC(38, 28) (`balance_create_ledger_entry_params.py` of Dodo's SDK)."""
_DECIMAL = re.compile(
    rf"-?[0-9]{{1,{DECIMAL_INTEGER_DIGITS_MAX}}}(?:\.[0-9]{{1,{DECIMAL_PLACES_MAX}}})?"
)
_INTERVALS: Final = frozenset({"Day", "Week", "Month", "Year"})
_INTEGER = re.compile(r"-?[0-9]{1,18}")


def text(value: object) -> str | None:
    """Read text, cut to `TEXT_CHARS_MAX`; PostgreSQL cannot store U+0000."""
    return value[:TEXT_CHARS_MAX].replace("\0", "�") if isinstance(value, str) else None


def identity(value: object) -> str | None:
    """Read an id; what cannot be one counts as absent, since a cut id would be another id."""
    if isinstance(value, str) and 0 < len(value) <= ID_CHARS_MAX and value.isprintable():
        return value
    return None


def integer(value: object) -> int | None:
    """Read an integer of at most 64 bits, also one written as text (dispute amounts are)."""
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= INT64_MAX:
        return value
    return None


def interval(value: object) -> str | None:
    """Read a unit of time, in the documented spelling however it is written (`month` is `Month`).

    Source: `TimeInterval` of Dodo's SDK. A unit that it does not list stays as it came.
    """
    unit = text(value)
    return unit.capitalize() if unit and unit.capitalize() in _INTERVALS else unit


def decimal(value: object) -> Decimal | None:
    """Read a decimal number exactly, written as a text or as a number, `msgspec.Raw` or read.

    Dodo documents texts, and has sent numbers (docs/dodo.md, section 6).
    """
    if isinstance(value, msgspec.Raw):
        written = bytes(value)
        digits = written[1:-1]
        # As most are: what follows reads it to the same.
        if digits.isdigit() and written[:1] == b'"' and len(digits) <= DECIMAL_INTEGER_DIGITS_MAX:
            return Decimal(digits.decode())
        value = plain(value) if written[:1] == b'"' else written.decode("ascii", "replace")
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = repr(value)
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        return None
    return shortest(Decimal(value))


def shortest(number: Decimal) -> Decimal:
    """Return the same number written without needless zeros: one number is one text."""
    written = str(number)
    if written.removeprefix("-").isdigit() and written != "-0":
        return number
    whole, _, fraction = format(number, "f").partition(".")
    text_ = ".".join(filter(None, (whole, fraction.rstrip("0"))))
    return Decimal(0) if text_ in {"-0", "0"} else Decimal(text_)


def plain(value: object) -> object:
    """Decode what was left as it stands in a body; None where it cannot be."""
    if not isinstance(value, msgspec.Raw):
        return value
    try:
        return _decode_raw(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


_decode_raw = msgspec.json.Decoder(float_hook=float).decode


def boolean(value: object) -> bool | None:
    """Read true or false."""
    return value if isinstance(value, bool) else None


def instant(value: object) -> datetime | None:
    """Read an RFC 3339 instant, in UTC."""
    try:
        if isinstance(value, datetime):
            return as_utc(value)
        return as_utc(msgspec.convert(value, datetime)) if isinstance(value, str) else None
    except (msgspec.ValidationError, OverflowError):
        return None


def identities(value: object) -> tuple[str, ...]:
    """Read a list of ids, `ITEMS_MAX` at the most."""
    items = value[:ITEMS_MAX] if isinstance(value, list | tuple) else ()
    return tuple(item for item in map(identity, items) if item is not None)


def metadata(value: object) -> dict[str, str]:
    """Read a merchant's own pairs, the first `PAIRS_MAX` that can be used; values are text.

    A number or a boolean, which Dodo takes as well, is read as its JSON text: a merchant who
    writes 42 finds it as "42". A key or value that is too long is left out with its pair: cut,
    one person's id could become another's. Nothing, objects and lists are no values.
    """
    pairs: dict[str, str] = {}
    for key, item in value.items() if isinstance(value, dict) else ():
        read = _of_pair(item)
        if read is not None and isinstance(key, str) and 0 < len(key) <= KEY_CHARS_MAX:
            pairs.setdefault(key.replace("\0", "�"), read)
        if len(pairs) == PAIRS_MAX:
            break
    return pairs


def _of_pair(value: object) -> str | None:
    if isinstance(value, str):
        return value.replace("\0", "�") if len(value) <= TEXT_CHARS_MAX else None
    if isinstance(value, bool) or (isinstance(value, int) and abs(value) <= INT64_MAX):
        return msgspec.json.encode(value).decode()
    if isinstance(value, float) and isfinite(value):
        return msgspec.json.encode(value).decode()
    return None


_READERS: Final[dict[object, Callable[[object], object]]] = {
    str: text,
    int: integer,
    bool: boolean,
    datetime: instant,
    Decimal: decimal,
    tuple[str, ...]: identities,
    dict[str, str]: metadata,
}


_READERS_OF_TEXT: Final[Mapping[str, Callable[[object], object]]] = {
    "_id": identity,
    "_interval": interval,
}
"""How text is read in fields whose names end so."""


def declared_type(annotation: object) -> object:
    """Return the type that a field is read as: that of `int | None` is `int`."""
    if annotation in _READERS or struct_of(annotation) is not None:
        return annotation
    known = (arg for arg in get_args(annotation) if arg in _READERS or struct_of(arg) is not None)
    return next(known, annotation)


def struct_of(annotation: object) -> type[msgspec.Struct] | None:
    """Return the struct that a field is, or is a list of; None where it is neither."""
    if get_origin(annotation) is tuple:
        annotation = get_args(annotation)[0]
    is_struct = isinstance(annotation, type) and issubclass(annotation, msgspec.Struct)
    return cast("type[msgspec.Struct]", annotation) if is_struct else None


def _structure(struct: type[msgspec.Struct]) -> Callable[[object], object]:
    hints = get_type_hints(struct)
    readers = {name: reader_of(name, hints[name]) for name in struct.__struct_fields__}

    def read(value: object) -> object:
        found = plain(value)
        if not isinstance(found, dict):
            return None
        return struct(**{name: read(found.get(name)) for name, read in readers.items()})

    return read


def _structures(struct: type[msgspec.Struct]) -> Callable[[object], object]:
    read = _structure(struct)

    def read_all(value: object) -> tuple[object, ...]:
        found = plain(value)
        items = found[:ITEMS_MAX] if isinstance(found, list) else ()
        return tuple(filter(None, map(read, items)))

    return read_all


def reader_of(name: str, annotation: object) -> Callable[[object], object]:
    """Choose the reader for a field by its declared type, and by its name's end."""
    declared = declared_type(annotation)
    if (struct := struct_of(declared)) is not None:
        of_many = get_origin(declared) is tuple
        return _structures(struct) if of_many else _structure(struct)
    if declared is not str:
        return _READERS[declared]
    return next((read for end, read in _READERS_OF_TEXT.items() if name.endswith(end)), text)


def own_fields(struct: type[msgspec.Struct]) -> dict[str, object]:
    """Return the fields, with their types, that a struct declares beyond its base."""
    (base,) = struct.__bases__
    inherited = set(getattr(base, "__struct_fields__", ()))
    hints = get_type_hints(struct)
    return {name: hints[name] for name in struct.__struct_fields__ if name not in inherited}
