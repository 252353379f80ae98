"""Which deliveries a route is for, by globs over types and by values in payloads."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from domain.delivery import TYPE_CHARS_MAX
from domain.field_readers import integer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Scalar: TypeAlias = "str | int | float | bool"

VALUES_MAX: Final = 1_000
"""Of one condition's list."""
_GLOB: Final = re.compile(rf"[A-Za-z0-9_.*-]{{1,{TYPE_CHARS_MAX}}}")
_ABSENT: Final = object()


@dataclass(frozen=True)
class Glob:
    """A pattern over Dodo's types, in which `*` stands for any text, and nothing else does."""

    pattern: str

    def matches(self, type_: str) -> bool:
        """Tell whether a type is as the pattern says."""
        first, *others = self.pattern.split("*")
        if not others:
            return type_ == first
        *inner, last = others
        end = len(type_) - len(last)
        if not (type_.startswith(first) and type_.endswith(last)) or end < len(first):
            return False
        # The leftmost place for each piece leaves the most room for the next: no backtracking.
        behind = len(first)
        for piece in inner:
            begin = type_.find(piece, behind, end)
            if begin < 0:
                return False
            behind = begin + len(piece)
        return True


def read_glob(value: object) -> Glob:
    """Read a glob.

    Raises:
        ValueError: it is no text, or holds what no type of Dodo's holds.
    """
    if not isinstance(value, str) or not _GLOB.fullmatch(value):
        raise ValueError(
            'must be a type of Dodo\'s, such as "dispute.opened", in which * stands for any text'
            f" (letters, digits, _ . - and *; {TYPE_CHARS_MAX} characters at most)"
        )
    return Glob(value)


@dataclass(frozen=True)
class Condition:
    """What the value at one place of a payload must be; all that is set must hold.

    A value that is null counts as absent, since Dodo writes either. Numbers are compared as
    numbers, also those that Dodo writes as text (amounts of disputes).
    """

    place: str
    one_of: tuple[Scalar, ...] | None = None
    none_of: tuple[Scalar, ...] = ()
    minimum: int | float | None = None
    maximum: int | float | None = None
    present: bool | None = None

    def holds(self, payload: Mapping[str, object]) -> bool:
        """Tell whether a payload is as the condition says."""
        value = _at(payload, self.place)
        return (
            (self.present is None or self.present == (value is not _ABSENT))
            and (self.one_of is None or any(_equal(value, wanted) for wanted in self.one_of))
            and not any(_equal(value, unwanted) for unwanted in self.none_of)
            and self._within(_number(value))
        )

    def _within(self, number: int | float | None) -> bool:
        if self.minimum is None and self.maximum is None:
            return True
        return (
            number is not None
            and (self.minimum is None or number >= self.minimum)
            and (self.maximum is None or number <= self.maximum)
        )


def read_condition(place: str, declared: object) -> Condition:
    """Read the condition on the value at a place, such as `data.currency`.

    Raises:
        ValueError: it is no condition; the message tells what one looks like.
    """
    if not all(place.split(".")):
        raise ValueError('must name a place in the payload, such as "data.currency"')
    if not isinstance(declared, dict):
        return Condition(place, one_of=_scalars(declared))
    if not declared:
        raise ValueError(f"says nothing; expected are {', '.join(_TESTS)}")
    tests: dict[str, object] = {}
    for name, value in declared.items():
        if name not in _TESTS:
            raise ValueError(
                f"does not know {name!r}; expected are {', '.join(_TESTS)}."
                ' A place with dots is written in quotes: "data.currency"'
            )
        field, read = _TESTS[name]
        tests[field] = read(value)
    return Condition(place, **tests)  # type: ignore[arg-type]  # as the table of tests reads them


def _scalars(value: object) -> tuple[Scalar, ...]:
    values = value if isinstance(value, list) else [value]
    if not 0 < len(values) <= VALUES_MAX:
        raise ValueError(f"must list 1 to {VALUES_MAX} values")
    return tuple(map(_scalar, values))


def _scalar(value: object) -> Scalar:
    if not isinstance(value, str | int | float) or _is_odd(value):
        raise ValueError(
            "must be text, a number, true or false, a list of them, or a table of"
            f" {', '.join(_TESTS)}"
        )
    return value


def _limit(value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or _is_odd(value):
        raise ValueError("must have a number for min and max")
    return value


def _flag(value: object) -> bool:
    if value is not True and value is not False:
        raise ValueError("must have true or false for present")
    return value


def _is_odd(value: str | float) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


_TESTS: Final[Mapping[str, tuple[str, Callable[[object], object]]]] = {
    "min": ("minimum", _limit),
    "max": ("maximum", _limit),
    "not": ("none_of", _scalars),
    "present": ("present", _flag),
}


def _at(payload: Mapping[str, object], place: str) -> object:
    value: object = payload
    for step in place.split("."):
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isascii() and step.isdigit():
            value = value[int(step[:9])] if int(step[:9]) < len(value) else None
        else:
            return _ABSENT
    return _ABSENT if value is None else value


def _number(value: object) -> int | float | None:
    if isinstance(value, float):
        return value
    return value if type(value) is int else integer(value)


def _equal(value: object, wanted: Scalar) -> bool:
    if isinstance(wanted, bool) or isinstance(value, bool):
        return value is wanted
    return (_number(value) if isinstance(wanted, int | float) else value) == wanted
