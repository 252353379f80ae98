"""Arguments: how commands declare what they take, and how the values are read."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Any, Final, TypeVar

from api.http.operations import MIN_POSITION
from api.http.parameters import Given
from cli.commands.rebuilding import NAMES
from ledger.integrity.verify import Head
from workflows.routes.conditions import read_glob

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction
    from collections.abc import Callable, Sequence

    from api.http.operations import Operation
    from api.http.parameters import Parameter
    from cli.settings import Settings
    from workflows.routes.conditions import Glob

T = TypeVar("T")
CUSTOMERS_MAX: Final = 20_000
"""Their webhooks are invented in memory: about 60 KB a customer."""
_METAVARS: Final = {"date-time": "TIME", "boolean": "true|false", "integer": "N"}


class Commands:
    """The commands, as they are declared one by one."""

    def __init__(self, kinds: _SubParsersAction[ArgumentParser]) -> None:
        self._kinds = kinds

    def add(
        self, name: str, run: Callable[[Settings, Namespace], None], help_: str
    ) -> ArgumentParser:
        """Declare a command; what it takes is added to the parser returned."""
        description = f"{help_[0].upper()}{help_[1:]}."
        made = self._kinds.add_parser(name, help=help_, description=description)
        made.set_defaults(run=run)
        return made

    def add_group(self, name: str, help_: str) -> Commands:
        """Declare a group of commands, which are declared in what is returned."""
        description = f"{help_[0].upper()}{help_[1:]}."
        made = self._kinds.add_parser(name, help=help_, description=description)
        return Commands(made.add_subparsers(required=True, metavar="COMMAND"))


def add_json(parser: ArgumentParser) -> None:
    """Let it print JSON."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_taken(
    parser: ArgumentParser, operation: Operation[Any], without: Sequence[Parameter[Any]] = ()
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
                metavar=_metavar(declared),
                help=_help(declared),
            )


def given_in(args: Namespace, operation: Operation[Any]) -> Given:
    """Return what was given of what an operation takes."""
    names = [declared.name for declared in (*operation.takes.path, *operation.takes.query)]
    values = {name: getattr(args, name, None) for name in names}
    return Given({name: value for name, value in values.items() if value is not None})


def parameter(declared: Parameter[T]) -> Callable[[str], T]:
    """Read what is a parameter over HTTP too in the same way."""

    def read(value: str) -> T:
        try:
            return declared.read(value)
        except ValueError as error:
            raise ArgumentTypeError(str(error)) from error

    return read


def head(value: str) -> Head:
    """Read the head of a log."""
    try:
        return Head.parse(value)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error


def glob(value: str) -> Glob:
    """Read a pattern over Dodo's types."""
    try:
        return read_glob(value)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error


def port(value: str) -> int:
    """Read a port number."""
    return _integer(value, 65_535)


def count(value: str) -> int:
    """Read how many customers there are to be."""
    return _integer(value, CUSTOMERS_MAX)


def share(value: str) -> float:
    """Read a part of the whole."""
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise ArgumentTypeError("must be a number from 0 to 1")
    return number


def read_model(value: str) -> str:
    """Read the name of a read model."""
    if value not in NAMES:
        raise ArgumentTypeError(f"must be one of {', '.join(NAMES)}")
    return value


def _integer(value: str, maximum: int) -> int:
    if not (value.isascii() and value.isdigit()) or int(value[:10]) > maximum:
        raise ArgumentTypeError(f"must be an integer from 0 to {maximum}")
    return int(value)


def _metavar(declared: Parameter[Any]) -> str:
    shape = declared.schema.get("format", declared.schema["type"])
    return _METAVARS.get(str(shape), declared.name.upper())


def _help(declared: Parameter[Any]) -> str:
    among = declared.schema.get("enum")
    options = f" One of {', '.join(among)}." if isinstance(among, list) else ""
    default = "" if declared.default is None else f" Default: {declared.default}."
    return f"{declared.description}{options}{default}".replace("%", "%%")
