"""What was typed into a field of a form and cannot be read, in words for who typed it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from api.http.errors import ApiError, InvalidParameterError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.http.reader import Field

_PAIR: Final = "must be a key and its value: key=value"
_TIME: Final = "must be a time in UTC, such as 2026-01-31 12:00"


class Unread(NamedTuple):
    """A field by its name, what was typed into it, and what is wrong with that."""

    name: str
    text: str
    problem: str


def wrong_field(error: ApiError, fields: Mapping[str, Field]) -> Unread | None:
    """Return which of the fields an error is about; None where it is about none of them."""
    named = error.body.error.details.get("parameter") if error.status == 400 else None
    field = fields.get(str(named))
    if field is None:
        return None
    if not isinstance(error, InvalidParameterError):
        return Unread(field.name, "", _PAIR) if field.is_mapping else None
    is_time = field.schema.get("format") == "date-time" and error.problem == field.must
    return Unread(field.name, "", _TIME if is_time else error.problem)
