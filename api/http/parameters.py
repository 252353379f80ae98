"""What can be asked for: types of values, each with what it must be, in words.

msgspec converts to them, strictly, and refuses and describes by them. What it cannot know stands
in `extra`: `must`, which tells what is wrong behind the parameter's name; `lex`, which makes the
value of a text, where more than the type says how; `schema`, where a value is not spelled as its
type is in JSON, or its words have an order.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final, Literal

from msgspec import Meta

from domain.delivery import ID_CHARS_MAX
from domain.field_readers import KEY_CHARS_MAX, TEXT_CHARS_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence

_CONTROL_FREE: Final = r"[^\u0000-\u001f\u007f]+"
_POSITION: Final = "[0-9]{1,18}"
_UUID: Final = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


def text(chars_max: int) -> Meta:
    """Say of a text how long it may be; control characters cannot be stored, nor asked for."""
    must = f"must be 1 to {chars_max} characters, no control characters"
    return Meta(max_length=chars_max, pattern=rf"^{_CONTROL_FREE}\Z", extra={"must": must})


def between(minimum: int, maximum: int) -> Meta:
    """Say of an integer what it may be, both ends included."""
    must = f"must be an integer from {minimum} to {maximum}"
    return Meta(ge=minimum, le=maximum, extra={"must": must})


def one_of(words: Sequence[str]) -> Meta:
    """Say of a `Literal` of these words in which order they are told."""
    schema = {"type": "string", "enum": list(words)}
    return Meta(extra={"must": f"must be one of {', '.join(words)}", "schema": schema})


def _lex_position(text: str) -> int:
    if not re.fullmatch(_POSITION, text):
        raise ValueError(text)
    return int(text)


Text = Annotated[str, text(ID_CHARS_MAX)]
Flag = Annotated[bool, Meta(extra={"must": "must be true or false"})]
Instant = Annotated[
    datetime,
    Meta(
        tz=True,
        extra={
            "must": "must be a time with its offset (RFC 3339), such as 2026-01-31T12:00:00Z;"
            " a + is written %2B in a URL"
        },
    ),
]
"""Read in UTC."""
Position = Annotated[
    int,
    Meta(
        extra={
            "must": "must be a position that an answer gave: 1 to 18 digits",
            "lex": _lex_position,
            "schema": {"type": "string", "pattern": f"^{_POSITION}$"},
        }
    ),
]
"""A place in the log, as an answer gave it: in JSON a text, since it may have 64 bits."""
Order = Annotated[
    Literal["asc", "desc"],
    one_of(("asc", "desc")),
    Meta(description="The oldest first, or the newest (`desc`); the pages of a list all in one."),
]
"""In which direction a list is read that has a first and a last."""
Uuid = Annotated[
    str,
    Meta(
        pattern=rf"^{_UUID}\Z",
        extra={"must": "must be a UUID, such as 123e4567-e89b-12d3-a456-426614174000"},
        extra_json_schema={"format": "uuid"},
    ),
]
Texts = Annotated[
    dict[Annotated[str, text(KEY_CHARS_MAX)], Annotated[str, text(TEXT_CHARS_MAX)]],
    Meta(
        extra={
            "must": f"must have keys of 1 to {KEY_CHARS_MAX} and values of 1 to {TEXT_CHARS_MAX}"
            " characters, no control characters"
        }
    ),
]
"""Texts by key, each given as name[key]=value (OpenAPI's deepObject)."""
