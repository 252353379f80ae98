"""How commands declare what they take, and how the values are read."""

from __future__ import annotations

from argparse import Action, ArgumentTypeError
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from api.http.operations import MIN_POSITION
from api.http.parameters import Arguments

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Sequence

    from api.http.operations import Operation
    from api.http.parameters import Parameter

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
    parser: ArgumentParser, operation: Operation[Any, Any], without: Sequence[Parameter[Any]] = ()
) -> None:
    """Let it take what an operation takes over HTTP, but for waiting and for what is named."""
    for declared in operation.takes.path:
        help_ = _help(declared)
        parser.add_argument(declared.name, type=parameter(declared), metavar="ID", help=help_)
    for declared in operation.takes.query:
        if declared not in (MIN_POSITION, *without):
            parser.add_argument(
                f"--{declared.name.replace('_', '-')}",
                type=parameter(declared),
                action=_Pairs if _is_of_pairs(declared) else "store",
                metavar=_metavar(declared),
                help=_help(declared),
            )


def arguments_of(args: Namespace, operation: Operation[Any, Any]) -> Arguments:
    """Return what was given of what an operation takes."""
    names = [declared.name for declared in (*operation.takes.path, *operation.takes.query)]
    values = {name: getattr(args, name, None) for name in names}
    return Arguments({name: value for name, value in values.items() if value is not None})


def parameter(declared: Parameter[T]) -> Callable[[str], T]:
    """Read what is a parameter over HTTP too in the same way."""
    return read_with(declared.read)


def port(value: str) -> int:
    """Read a port number."""
    return integer(value, 65_535)


def integer(value: str, maximum: int) -> int:
    """Read an integer that is not negative."""
    if not (value.isascii() and value.isdigit()) or int(value[:10]) > maximum:
        raise ArgumentTypeError(f"must be an integer from 0 to {maximum}")
    return int(value)


class _Pairs(Action):
    """An option of pairs, which may be given several times, each with a key of its own."""

    def __call__(
        self, parser: ArgumentParser, namespace: Namespace, values: object, _option: object = None
    ) -> None:
        """Add a pair to those before it."""
        pair = cast("dict[str, str]", values)
        given = getattr(namespace, self.dest) or {}
        if given.keys() & pair:
            parser.error(f"argument {self.option_strings[0]}: a key is given more than once")
        setattr(namespace, self.dest, given | pair)


def _is_of_pairs(declared: Parameter[Any]) -> bool:
    return declared.schema.get("type") == "object"


def _metavar(declared: Parameter[Any]) -> str:
    shape = declared.schema.get("format", declared.schema["type"])
    return _METAVARS.get(str(shape), declared.name.upper())


def _help(declared: Parameter[Any]) -> str:
    among = declared.schema.get("enum")
    options = f" One of {', '.join(among)}." if isinstance(among, list) else ""
    default = "" if declared.default is None else f" Default: {declared.default}."
    return f"{declared.description}{options}{default}".replace("%", "%%")


def read_with(read: Callable[[str], T]) -> Callable[[str], T]:
    """Let what raises ValueError read an argument, and tell its problem as usage."""

    def read_argument(value: str) -> T:
        try:
            return read(value)
        except ValueError as error:
            raise ArgumentTypeError(str(error)) from error

    return read_argument
