"""What a recurring price is a month and a year, each rounded once to the smallest unit."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

# A year has 52 weeks, and 365 days: source of the intervals is docs/dodo.md, section 2.
PER_YEAR: Final[Mapping[str, int]] = {"day": 365, "week": 52, "month": 12, "year": 1}
"""How often an interval begins in a year."""
_MONTHS: Final = 12
_PRICES_KEPT: Final = 1_000
"""So many are worked out once: subscriptions share few prices, and say theirs at each renewal."""
AMOUNT_MAX: Final = 10**15
"""More than this is no price, in minor units."""


class Recurring(NamedTuple):
    """A price a month and a year, in minor units; each is rounded by itself."""

    monthly: int
    yearly: int


NOTHING: Final = Recurring(0, 0)


@lru_cache(_PRICES_KEPT)
def recurring(amount: int | None, count: int | None, interval: str | None) -> Recurring | None:
    """Return what an amount in minor units, once every so many intervals, is a month and a year.

    None where that is not known. What is less than half a minor unit a month is nothing.
    """
    per_year = PER_YEAR.get((interval or "").lower())
    if amount is None or not 0 <= amount <= AMOUNT_MAX or count is None or count < 1:
        return None
    if per_year is None:
        return None
    monthly = rounded(amount * per_year, _MONTHS * count)
    return Recurring(monthly, rounded(amount * per_year, count)) if monthly else NOTHING


def rounded(numerator: int, denominator: int) -> int:
    """Divide by a positive integer, and round to the nearest integer; halves to the even one."""
    whole, rest = divmod(numerator, denominator)
    twice = 2 * rest
    return whole + (twice > denominator or (twice == denominator and whole % 2 == 1))
