"""Amounts in minor units, written as a person reads them, by the currency's decimals."""

from __future__ import annotations

import re
from typing import get_args, get_type_hints

import pytest

from domain.aggregates.catalogue import KINDS
from domain.money import AMOUNTS, decimal_text, exponent

WITHOUT_DECIMALS = "BIF CLP DJF GNF JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split()
WITH_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND".split()


@pytest.mark.parametrize("currency", WITHOUT_DECIMALS)
def test_these_currencies_have_no_decimals(currency: str) -> None:
    assert exponent(currency) == 0
    assert decimal_text(5000, currency) == "5000"


@pytest.mark.parametrize("currency", WITH_THREE_DECIMALS)
def test_these_currencies_have_three_decimals(currency: str) -> None:
    assert exponent(currency) == 3
    assert decimal_text(5250, currency) == "5.250"


@pytest.mark.parametrize("currency", ["USD", "EUR", "INR", "GBP", "CHF", "ISK", "XYZ", ""])
def test_every_other_currency_has_two(currency: str) -> None:
    assert exponent(currency) == 2
    assert decimal_text(5250, currency) == "52.50"


@pytest.mark.parametrize(
    ("amount_minor", "currency", "text"),
    [
        (0, "USD", "0.00"),
        (0, "JPY", "0"),
        (0, "KWD", "0.000"),
        (1, "USD", "0.01"),
        (1, "JPY", "1"),
        (1, "KWD", "0.001"),
        (10, "USD", "0.10"),
        (99, "USD", "0.99"),
        (100, "USD", "1.00"),
        (400, "USD", "4.00"),
        (999, "KWD", "0.999"),
        (1000, "KWD", "1.000"),
        (123456789, "USD", "1234567.89"),
        (2**63 - 1, "USD", "92233720368547758.07"),
        (2**63 - 1, "JPY", "9223372036854775807"),
        (2**63 - 1, "KWD", "9223372036854775.807"),
    ],
)
def test_an_amount_keeps_every_digit(amount_minor: int, currency: str, text: str) -> None:
    assert decimal_text(amount_minor, currency) == text


@pytest.mark.parametrize(
    ("amount_minor", "currency", "text"),
    [
        (-1, "USD", "-0.01"),
        (-400, "USD", "-4.00"),
        (-12345, "USD", "-123.45"),
        (-5000, "JPY", "-5000"),
        (-1, "KWD", "-0.001"),
        (-5250, "KWD", "-5.250"),
    ],
)
def test_what_is_owed_has_its_sign_in_front(amount_minor: int, currency: str, text: str) -> None:
    assert decimal_text(amount_minor, currency) == text


@pytest.mark.parametrize("kind", KINDS)
def test_every_integer_of_a_thing_that_is_an_amount_has_its_currency(kind: str) -> None:
    hints = get_type_hints(KINDS[kind].entity)
    integers = {name for name, hint in hints.items() if int in (hint, *get_args(hint))}
    of_money = {name for name in integers if re.search("(amount|price|tax|fee)$", name)}
    assert of_money <= AMOUNTS.keys()
    assert all(AMOUNTS[name] in hints for name in of_money)
