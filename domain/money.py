"""Integers in a currency's smallest unit, and how a person reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

AMOUNTS: Final[Mapping[str, str]] = {
    "recurring_pre_tax_amount": "currency",
    "total_amount": "currency",
    "tax": "currency",
    "amount": "currency",
    "fee": "currency",
    "price": "currency",
    "suggested_price": "currency",
    "trial_amount": "currency",
    "refunded_amount": "currency",
    "settlement_amount": "settlement_currency",
    "settlement_tax": "settlement_currency",
}
"""The fields of objects in minor units, each with the field that tells the currency."""
# ISO 4217, as listed in docs/dodo.md, section 2; every other currency has two decimals.
_EXPONENTS = dict.fromkeys(
    "BIF CLP DJF GNF JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split(), 0
) | dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3)
_TWO_DECIMALS = 2


def exponent(currency: str) -> int:
    """Return the number of decimals of a currency, by its ISO 4217 code."""
    return _EXPONENTS.get(currency, _TWO_DECIMALS)


def decimal_text(amount_minor: int, currency: str) -> str:
    """Write an amount in minor units as a decimal in major units: 400 USD is `4.00`."""
    decimals = exponent(currency)
    sign, digits = "-" if amount_minor < 0 else "", str(abs(amount_minor)).zfill(decimals + 1)
    return sign + (f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits)
