"""How commands declare what they take, and how the values are read."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Any, Final, TypeVar

from api.http.errors import InvalidParameterError
from api.http.questions import Fresh
from cli.settings import WORKERS_MAX

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Container

    from api.http.questions import AnyQuery
    from api.http.reader import Field, Reader

T = TypeVar("T")
_METAVARS: Final = {
    "date-time": "TIME",
    "boolean": "true|false",
    "integer": "N",
    "object": "KEY=VALUE",
}


def add_json(parser: ArgumentParser) -> None:
    """Let it print JSON."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_taken(
    parser: ArgumentParser, reader: Reader[Any], without: Container[str] = frozenset()
) -> None:
    """Let it take what is taken over HTTP, but for waiting and for what is named."""
    add_path(parser, reader)
    for field in reader.query.values():
        if field.name not in Fresh.__struct_fields__ and field.name not in without:
            parser.add_argument(
                f"--{field.name.replace('_', '-')}",
                action="append" if field.is_mapping else "store",
                type=checked(reader, field),
                metavar=_metavar(field),
                help=_help(field),
            )


def add_path(parser: ArgumentParser, reader: Reader[Any]) -> None:
    """Let it take what over HTTP are the parts of a path."""
    for field in reader.path.values():
        parser.add_argument(
            field.name, type=checked(reader, field), metavar="ID", help=_help(field)
        )


def checked(reader: Reader[Any], field: Field) -> Callable[[str], str]:
    """Let an argument be what the field may be over HTTP; it stays the text that was given."""

    def check(text: str) -> str:
        try:
            reader.check(*_spelled(field, text))
        except InvalidParameterError as error:
            raise ArgumentTypeError(error.problem) from error
        return text

    return check


def given(args: Namespace, reader: Reader[AnyQuery]) -> AnyQuery:
    """Return what was given of what is taken over HTTP."""
    query = []
    for field in reader.query.values():
        value = getattr(args, field.name, None)
        texts = value if isinstance(value, list) else [value]
        query += [_spelled(field, text) for text in texts if text is not None]
    return reader.of({name: getattr(args, name) for name in reader.path}, query)


def _spelled(field: Field, text: str) -> tuple[str, str]:
    """Return a name and a value as they stand in a query."""
    if not field.is_mapping:
        return field.name, text
    key, equals, value = text.partition("=")
    if not equals:
        raise ArgumentTypeError("must be KEY=VALUE")
    return f"{field.name}[{key}]", value


def port(value: str) -> int:
    """Read a port number."""
    return integer(value, 65_535)


def workers(value: str) -> int:
    """Read how many processes take requests."""
    return integer(value, WORKERS_MAX)


def integer(value: str, maximum: int) -> int:
    """Read an integer that is not negative."""
    if not (value.isascii() and value.isdigit()) or int(value[:10]) > maximum:
        raise ArgumentTypeError(f"must be an integer from 0 to {maximum}")
    return int(value)


def _metavar(field: Field) -> str:
    shape: str = field.schema.get("format") or field.schema["type"]
    return _METAVARS.get(shape, field.name.upper())


def _help(field: Field) -> str:
    among = field.schema.get("enum")
    options = f" One of {', '.join(among)}." if among else ""
    default = "" if field.default is None else f" Default: {field.default}."
    return f"{field.description}{options}{default}".replace("%", "%%")


def read_with(read: Callable[[str], T]) -> Callable[[str], T]:
    """Let what raises ValueError read an argument, and tell its problem as usage."""

    def read_argument(value: str) -> T:
        try:
            return read(value)
        except ValueError as error:
            raise ArgumentTypeError(str(error)) from error

    return read_argument
