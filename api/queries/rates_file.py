"""The merchant's rates, as the table `[rates]` of `raphus.toml` says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from api.http.errors import ApiError, not_now
from domain.revenue.rates import RATES_MAX, Rates, read_currency, read_rate
from workflows.followed_file import FollowedFile
from workflows.policy_file import RATES, line_of, wrong
from workflows.toml_text import TextError, decoded, parsed

if TYPE_CHECKING:
    from pathlib import Path

_INTO: Final = "into"


class RatesFile(FollowedFile[Rates | None]):
    """The rates that a file has, read again when it changes; None where it has none."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, read_rates, None)

    def asked(self) -> Rates:
        """Return the rates in force, for figures that are to be converted.

        Raises:
            ApiError: 400, there are none; 503, the file is wrong, and old rates are not used.
        """
        rates = self.current()
        if self.problem is not None:
            raise not_now("rates_wrong", f"the rates cannot be read: {self.problem}")
        if rates is None:
            told = f"there are no rates to convert by: write a table [{RATES}] into raphus.toml"
            raise ApiError(400, "no_rates", told)
        return rates


def read_rates(path: Path, content: bytes) -> Rates | None:
    """Read the rates that the content of a file has.

    Raises:
        PolicyError: something in them is wrong.
    """
    try:
        text = decoded(content)
        declared = parsed(text).get(RATES)
    except TextError as error:
        wrong(path, error.line, str(error))
    if declared is None:
        return None
    line = line_of(text, rf"\[?\s*[\"']?{RATES}")
    if not isinstance(declared, dict) or _INTO not in declared:
        wrong(path, line, f'{RATES} must be a table with {_INTO} = "USD" and rates into that')
    if len(declared) > RATES_MAX:
        wrong(path, line, f"{RATES} has more than {RATES_MAX} lines")
    read = {key: _read(path, text, key, declared[key]) for key in declared}
    into = read.pop(_INTO)
    if into in read:
        wrong(path, line, f"{RATES} has a rate of {into} into itself")
    return Rates(into, read)


def _read(path: Path, text: str, key: str, value: object) -> str:
    try:
        if key == _INTO:
            return read_currency(value)
        read_currency(key)
        return read_rate(value)
    except ValueError as error:
        place = rf"(?:{RATES}\s*\.\s*)?[\"']?{re.escape(key)}[\"']?\s*="
        wrong(path, line_of(text, place), f"{key} {error}")
