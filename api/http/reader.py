"""Reads a request's path and query into the struct that its operation takes, or refuses them.

In two steps. A lexer makes of each text a value of its field's kind, an integer, true or false, or
a time, if it is spelled so exactly, and else leaves it a text. msgspec's strict conversion then
refuses what is no value of the field's type. Its lax one would take 1.0 for an integer, TRUE and 1
for true, and Unix seconds for a time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING, Annotated, Any, Final, Generic, TypeAlias, cast
from urllib.parse import parse_qsl

import msgspec
from msgspec import inspect

from api.http.errors import ApiError, InvalidParameterError
from api.http.parameters import Text
from api.http.questions import AnyQuery
from domain.delivery import as_utc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Json: TypeAlias = "dict[str, Any]"  # a JSON document has no narrower type
Pairs: TypeAlias = "list[tuple[str, str]]"
PARAMETERS_MAX: Final = 32
_BY_KEY: Final = re.compile(r"(\w+)\[(.*)\]", re.DOTALL)
_INTEGER: Final = re.compile("-?[0-9]{1,18}")
_FIELD_OF_ERROR: Final = re.compile(r"\$\.(\w+)[^`]*`$")
_read_instant = msgspec.json.Decoder(Annotated[datetime, msgspec.Meta(tz=True)]).decode


@dataclass(frozen=True)
class Field:
    """A part of a path or a parameter of a query, as a struct declares it."""

    name: str
    description: str
    schema: Json
    default: object
    must: str
    lex: Callable[[str], object]
    is_mapping: bool

    @property
    def spelled(self) -> str:
        """Its name, as it stands in a query."""
        return f"{self.name}[key]" if self.is_mapping else self.name


def pairs_of(query: bytes) -> Pairs:
    """Read the names and values of a query.

    Raises:
        ApiError: 400; it is not ASCII, or asks with too much.
    """
    try:
        return parse_qsl(
            query.decode("ascii"), keep_blank_values=True, max_num_fields=PARAMETERS_MAX
        )
    except ValueError as error:
        message = f"the query is not ASCII, or has more than {PARAMETERS_MAX} parameters"
        raise ApiError(400, "invalid_query", message) from error


class Reader(Generic[AnyQuery]):
    """Reads what one operation takes. What its path names is in the path; the rest is its query."""

    def __init__(self, takes: type[AnyQuery], path: str = "") -> None:
        self._takes = takes
        self._parts = re.findall(r"{(\w+)", path)

    @cached_property
    def path(self) -> dict[str, Field]:
        """The parts of the path, by name."""
        return {name: self._fields[name] for name in self._parts}

    @cached_property
    def query(self) -> dict[str, Field]:
        """The parameters, by name: the operation's own first, then those it has of its bases."""
        return {name: field for name, field in self._fields.items() if name not in self._parts}

    @cached_property
    def _fields(self) -> Mapping[str, Field]:
        return _fields(self._takes)

    def read(self, path: Mapping[str, str], query: bytes) -> AnyQuery:
        """Read a request's path and query.

        Raises:
            ApiError: 404 for a path that names nothing; 400 for a query that is not as declared.
        """
        try:
            return self.of(path, pairs_of(query)) if query else self._convert(path)
        except InvalidParameterError as error:
            if error.name not in self._parts:
                raise
            raise ApiError(404, "not_found", str(error)) from error

    def of(self, path: Mapping[str, str], pairs: Iterable[tuple[str, str]]) -> AnyQuery:
        """Read the parts of a path, and names with their values.

        Raises:
            ApiError: as for `read`, but for an InvalidParameterError also of the path.
        """
        values: dict[str, Any] = dict(path)
        for name, text in pairs:
            try:
                self._put(values, name, text)
            except ApiError:
                self._convert(values)  # which tells what is wrong before it
                raise
        return self._convert(values)

    def check(self, name: str, text: str) -> None:
        """Read one of the fields alone.

        Raises:
            ApiError: as for `of`.
        """
        path = dict.fromkeys(self._parts, "-")
        if name in path:
            self.of({**path, name: text}, ())
        else:
            self.of(path, [(name, text)])

    def _put(self, values: dict[str, Any], name: str, text: str) -> None:
        field, into, key = self._place(values, name)
        if key in into:
            raise InvalidParameterError(field.name, "is given more than once")
        try:
            into[key] = field.lex(text)
        except ValueError:
            into[key] = text

    def _place(self, values: dict[str, Any], name: str) -> tuple[Field, dict[str, Any], str]:
        """Return the field that is named so, and where among the values its value goes."""
        field = self.query.get(name)
        if field is not None and not field.is_mapping:
            return field, values, name
        by_key = _BY_KEY.fullmatch(name)
        field = self.query.get(by_key[1]) if by_key else None
        if by_key is None or field is None or not field.is_mapping:
            raise self._unknown(name)
        return field, values.setdefault(field.name, {}), by_key[2]

    def _unknown(self, name: str) -> ApiError:
        known = sorted(field.spelled for field in self.query.values())
        message = "unknown parameter" + (f"; known are {', '.join(known)}" if known else "")
        named = name if _is_text(name) else ""
        return ApiError(400, "unknown_parameter", message, {"parameter": named, "known": known})

    def _convert(self, values: Mapping[str, object]) -> AnyQuery:
        try:
            return msgspec.convert(values, self._takes, builtin_types=(datetime,))
        except msgspec.ValidationError as error:
            (name,) = _FIELD_OF_ERROR.findall(str(error))
            raise InvalidParameterError(name, self._fields[name].must) from error


def _is_text(value: str) -> bool:
    try:
        msgspec.convert(value, Text)
    except msgspec.ValidationError:
        return False
    return True


@cache
def _fields(takes: type[msgspec.Struct]) -> Mapping[str, Field]:
    _, components = msgspec.json.schema_components([takes])
    schemas = components[takes.__name__].get("properties", {})
    declared = {field.name: field for field in cast("Any", inspect.type_info(takes)).fields}
    return {name: _field(declared[name], schemas[name]) for name in _own_first(takes)}


def _own_first(takes: type[msgspec.Struct]) -> list[str]:
    """Return the fields of a struct, and behind them those of its base."""
    base = takes.__base__
    if base is None or not issubclass(base, msgspec.Struct):
        return []
    inherited = _own_first(base)
    return [*(name for name in takes.__struct_fields__ if name not in inherited), *inherited]


def _field(declared: inspect.Field, schema: Json) -> Field:
    type_, extra = _bare(declared.type)
    (made,) = (each for each in schema.get("anyOf", [schema]) if each.get("type") != "null")
    default = None if declared.required else declared.default
    described = _described(extra.get("schema", made))
    return Field(
        name=declared.name,
        description={**made, **schema}.get("description", ""),
        schema=described if default is None else {**described, "default": default},
        default=default,
        must=extra["must"],
        lex=extra.get("lex") or _LEXERS.get(type(type_), str),
        is_mapping=isinstance(type_, inspect.DictType),
    )


def _bare(type_: inspect.Type) -> tuple[inspect.Type, Json]:
    """Return a type without what is said of it and without None, and what is said in `extra`."""
    extra: Json = {}
    while isinstance(type_, inspect.Metadata | inspect.UnionType):
        if isinstance(type_, inspect.Metadata):
            extra |= type_.extra or {}
            type_ = type_.type
        else:
            (type_,) = (each for each in type_.types if not isinstance(each, inspect.NoneType))
    return type_, extra


def _described(schema: Json) -> Json:
    """Return a schema as a parameter has it in OpenAPI, which says itself what it is for."""
    described = {key: schema[key] for key in ("type", *schema) if key in schema}
    described.pop("description", None)
    for key, value in described.items():
        if isinstance(value, dict):
            described[key] = _described(value)
    if "pattern" in schema:  # where Python's $ would take a line's end, too
        described["pattern"] = schema["pattern"].replace(r"\Z", "$")
    return described


def _lex_integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise ValueError(text)
    return int(text)


def _lex_flag(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError(text)
    return text == "true"


def _lex_instant(text: str) -> datetime:
    try:
        return as_utc(_read_instant(msgspec.json.encode(text)))
    except OverflowError as error:
        raise ValueError(text) from error


_LEXERS: Final[Mapping[type[inspect.Type], Callable[[str], object]]] = {
    inspect.IntType: _lex_integer,
    inspect.BoolType: _lex_flag,
    inspect.DateTimeType: _lex_instant,
}
