"""What a request may ask: each value declared once, read, refused and documented by it.

Strictly, so not by msgspec's lax mode: that takes 1.0 for an integer, TRUE and 1 for true, Unix
seconds for a time, and a line's end behind what a pattern ends with.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Generic, TypeVar, cast
from urllib.parse import parse_qsl

import msgspec

from api.http.errors import ApiError
from domain.delivery import ID_CHARS_MAX, as_utc
from domain.field_readers import KEY_CHARS_MAX, TEXT_CHARS_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

T = TypeVar("T")
PARAMETERS_MAX: Final = 32
# Patterns that mean the same to Python and to JSON Schema.
_TEXT: Final = r"[^\u0000-\u001f\u007f]+"
_POSITION: Final = "[0-9]{1,18}"
_UUID: Final = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_read_instant = msgspec.json.Decoder(Annotated[datetime, msgspec.Meta(tz=True)]).decode


@dataclass(frozen=True, eq=False)
class Parameter(Generic[T]):
    """One parameter of a query or a path: `read` raises ValueError that tells what it must be."""

    name: str
    description: str
    schema: Mapping[str, object]
    read: Callable[[str], T]
    default: T = cast("T", None)  # noqa: RUF009 -- an absent value, for a type that allows it


class Arguments:
    """The values of one request's parameters, by their declarations."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    def __getitem__(self, parameter: Parameter[T]) -> T:
        """Return a value, or the default."""
        return cast("T", self._values.get(parameter.name, parameter.default))

    def having(self, parameter: Parameter[T], value: T) -> Arguments:
        """Return these, with one more or another."""
        return Arguments({**self._values, parameter.name: value})

    def among(self, parameters: Sequence[Parameter[Any]]) -> dict[str, object]:
        """Return the values of these parameters, by name, of those that the request has."""
        return {p.name: self._values[p.name] for p in parameters if p.name in self._values}


@dataclass(frozen=True)
class Declared:
    """What an operation takes: the parts of its path, and its query."""

    path: tuple[Parameter[str], ...] = ()
    query: tuple[Parameter[Any], ...] = ()
    _by_name: Mapping[str, Parameter[Any]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {p.name: p for p in self.query})

    def read(self, path: Mapping[str, str], query: bytes) -> Arguments:
        """Read a request's path and query.

        Raises:
            ApiError: 404 for a path that names nothing; 400 for a query that is not as declared.
        """
        values: dict[str, object] = {p.name: _path_value(p, path[p.name]) for p in self.path}
        if query:
            values |= self._read_query(query)
        return Arguments(values)

    def _read_query(self, query: bytes) -> dict[str, object]:
        try:
            pairs = parse_qsl(
                query.decode("ascii"), keep_blank_values=True, max_num_fields=PARAMETERS_MAX
            )
        except ValueError as error:
            message = f"the query is not ASCII, or has more than {PARAMETERS_MAX} parameters"
            raise ApiError(400, "invalid_query", message) from error
        values: dict[str, object] = {}
        for name, value in pairs:
            named, key = self._name_and_key(name)
            if key is None and name in values:
                raise invalid(name, "is given more than once")
            if key is None:
                values[name] = self._read_one(name, value)
                continue
            pairs_read = cast("dict[str, str]", values.setdefault(named, {}))
            if key in pairs_read:
                raise invalid(name if _is_text(name) else named, "is given more than once")
            pairs_read |= cast("dict[str, str]", self._read_one(named, f"{key}={value}"))
        return values

    def _name_and_key(self, name: str) -> tuple[str, str | None]:
        """Part `name[key]`, where the name is of a parameter of pairs."""
        named, bracket, rest = name.partition("[")
        parameter = self._by_name.get(named)
        if parameter is None or parameter.schema.get("type") != "object" or not bracket:
            return name, None
        # What cannot be a key is refused as one that is empty.
        return named, rest.removesuffix("]") if rest.endswith("]") and "=" not in rest else ""

    def _read_one(self, name: str, value: str) -> object:
        parameter = self._by_name.get(name)
        if parameter is None:
            known = sorted(self._by_name)
            message = "unknown parameter" + (f"; known are {', '.join(known)}" if known else "")
            named = name if _is_text(name) else ""
            raise ApiError(400, "unknown_parameter", message, {"parameter": named, "known": known})
        try:
            return parameter.read(value)
        except ValueError as error:
            raise invalid(name, str(error)) from error


def text(name: str, description: str, chars_max: int = ID_CHARS_MAX) -> Parameter[str | None]:
    """Declare a text; one with control characters cannot be stored, nor be asked for."""
    schema = {"type": "string", "maxLength": chars_max, "pattern": f"^{_TEXT}$"}

    def read(value: str) -> str:
        if not _is_text(value, chars_max):
            raise ValueError(f"must be 1 to {chars_max} characters, no control characters")
        return value

    return Parameter(name, description, schema, read)


def pairs(name: str, description: str) -> Parameter[dict[str, str] | None]:
    """Declare texts by key: `name[key]=value` in a query, `key=value` on a command line."""
    key, value = text(name, "", KEY_CHARS_MAX), text(name, "", TEXT_CHARS_MAX)

    def read(pair: str) -> dict[str, str]:
        before, equals, after = pair.partition("=")
        try:
            if not equals:
                raise ValueError("no pair")
            return {cast("str", key.read(before)): cast("str", value.read(after))}
        except ValueError as error:
            raise ValueError(
                f"must be written {name}[key]=value: a key of 1 to {KEY_CHARS_MAX} characters, a"
                f" value of 1 to {TEXT_CHARS_MAX}, without control characters"
            ) from error

    values = {"type": "string", "maxLength": TEXT_CHARS_MAX, "pattern": f"^{_TEXT}$"}
    schema = {"type": "object", "additionalProperties": values}
    return Parameter(name, description, schema, read)


def path_text(name: str, description: str) -> Parameter[str]:
    """Declare a part of a path."""
    any_text = text(name, description)
    read = cast("Callable[[str], str]", any_text.read)
    return Parameter(name, description, any_text.schema, read)


def integer(
    name: str, description: str, minimum: int, maximum: int, default: int
) -> Parameter[int]:
    """Declare an integer."""
    schema = {"type": "integer", "minimum": minimum, "maximum": maximum, "default": default}

    def read(value: str) -> int:
        if not re.fullmatch("-?[0-9]{1,18}", value) or not minimum <= int(value) <= maximum:
            raise ValueError(f"must be an integer from {minimum} to {maximum}")
        return int(value)

    return Parameter(name, description, schema, read, default)


def flag(name: str, description: str) -> Parameter[bool | None]:
    """Declare true or false."""

    def read(value: str) -> bool:
        if value not in {"true", "false"}:
            raise ValueError("must be true or false")
        return value == "true"

    return Parameter(name, description, {"type": "boolean"}, read)


def one_of(name: str, description: str, among: Sequence[str]) -> Parameter[str | None]:
    """Declare one of several words, or none."""
    declared = choice(name, description, among, "")
    return Parameter(name, description, {"type": "string", "enum": list(among)}, declared.read)


def uuid(name: str, description: str) -> Parameter[str | None]:
    """Declare a UUID."""

    def read(value: str) -> str:
        if not re.fullmatch(_UUID, value):
            raise ValueError("must be a UUID, such as 123e4567-e89b-12d3-a456-426614174000")
        return value

    schema = {"type": "string", "format": "uuid", "pattern": f"^{_UUID}$"}
    return Parameter(name, description, schema, read)


def choice(name: str, description: str, among: Sequence[str], default: str) -> Parameter[str]:
    """Declare one of several words."""
    schema = {"type": "string", "enum": list(among), "default": default}

    def read(value: str) -> str:
        if value not in among:
            raise ValueError(f"must be one of {', '.join(among)}")
        return value

    return Parameter(name, description, schema, read, default)


def instant(name: str, description: str) -> Parameter[datetime | None]:
    """Declare a moment in time."""

    def read(value: str) -> datetime:
        try:
            return as_utc(_read_instant(msgspec.json.encode(value)))
        except (msgspec.ValidationError, OverflowError) as error:
            raise ValueError(
                "must be a time with its offset (RFC 3339), such as 2026-01-31T12:00:00Z;"
                " a + is written %2B in a URL"
            ) from error

    return Parameter(name, description, {"type": "string", "format": "date-time"}, read)


def position(name: str, description: str) -> Parameter[int | None]:
    """Declare a position in the log, as an answer gave it."""

    def read(value: str) -> int:
        if not re.fullmatch(_POSITION, value):
            raise ValueError("must be a position that an answer gave: 1 to 18 digits")
        return int(value)

    return Parameter(name, description, {"type": "string", "pattern": f"^{_POSITION}$"}, read)


def _path_value(parameter: Parameter[str], value: str) -> str:
    try:
        return parameter.read(value)
    except ValueError as error:
        raise ApiError(404, "not_found", f"{parameter.name} {error}") from error


def _is_text(value: str, chars_max: int = ID_CHARS_MAX) -> bool:
    return len(value) <= chars_max and re.fullmatch(_TEXT, value) is not None


def invalid(name: str, problem: str) -> ApiError:
    """Return the error that tells what is wrong with a parameter's value."""
    return ApiError(400, "invalid_parameter", f"{name} {problem}", {"parameter": name})
