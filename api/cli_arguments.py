"""Arguments: how the values on the command line are read."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Final, TypeVar

from api.rebuilding import NAMES
from domain.verification import Head

if TYPE_CHECKING:
    from collections.abc import Callable

    from api.parameters import Parameter

T = TypeVar("T")
CUSTOMERS_MAX: Final = 20_000
"""Their webhooks are invented in memory: about 60 KB a customer."""


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
