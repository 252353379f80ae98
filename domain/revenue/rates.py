"""The merchant's own table of rates, by which amounts are converted into one currency."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

from domain.money import exponent

if TYPE_CHECKING:
    from collections.abc import Mapping

_CURRENCY: Final = re.compile("[A-Z]{3}")
_RATE: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,12})?")
RATES_MAX: Final = 200


class Rates(NamedTuple):
    """How much of `into` one unit of each currency is, in major units of both, as it is written."""

    into: str
    of: Mapping[str, str]

    def factors(self) -> dict[str, Decimal]:
        """Return by currency what its minor units are multiplied by; that of `into` is 1."""
        own = exponent(self.into)
        factors = {
            currency: Decimal(rate).scaleb(own - exponent(currency))
            for currency, rate in self.of.items()
        }
        return {**factors, self.into: Decimal(1)}


def read_currency(value: object) -> str:
    """Read the code of a currency.

    Raises:
        ValueError: it is none; the message tells what it must be.
    """
    if isinstance(value, str) and _CURRENCY.fullmatch(value):
        return value
    raise ValueError('must be the code of a currency, such as "USD"')


def read_rate(value: object) -> str:
    """Read a rate, which is written as a text so that it is exact.

    Raises:
        ValueError: it is none; the message tells what it must be.
    """
    if isinstance(value, str) and _RATE.fullmatch(value) and Decimal(value) > 0:
        return value
    raise ValueError('must be a rate in quotes, above 0, such as "1.08"')
