"""Shared: what an event says: of whom, how much, and in one line."""

from __future__ import annotations

from typing import Any

# ISO 4217; every other currency has two decimals.
DECIMALS = dict.fromkeys(
    "BIF CLP DJF GNF JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split(), 0
) | dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3)
# The amount of a thing, by its kind: the field of its state that has it.
AMOUNTS = {"payment": "total_amount", "subscription": "recurring_pre_tax_amount"}


def money(amount_minor: int | None, currency: str | None) -> str:
    """Write an amount in minor units as a decimal in major units: 400 USD is `4.00`; or ""."""
    if amount_minor is None or not currency:
        return ""
    decimals = DECIMALS.get(currency, 2)
    sign, digits = "-" if amount_minor < 0 else "", str(abs(amount_minor)).zfill(decimals + 1)
    return sign + (f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits)


def amount(kind: str, state: dict[str, Any] | None) -> tuple[str, str]:
    """Return how much a thing is about, in major units, and its currency; "" if not known."""
    known = state or {}
    currency = known.get("currency") or ""
    return money(known.get(AMOUNTS.get(kind, "amount")), currency), currency


def customer(data: dict[str, Any]) -> dict[str, str]:
    """Return what an event tells of its customer: what it does not tell is ""."""
    told = data.get("customer") or {}
    names = ("customer_id", "email", "name", "phone_number")
    return {name: str(told.get(name) or "") for name in names}


def line(event: dict[str, Any], kind: str, id: str, state: dict[str, Any] | None) -> str:  # noqa: A002 -- so it is called in what Raphus sends
    """Tell an event in one line, with nothing in it that buyers wrote."""
    much, currency = amount(kind, state)
    about = f"{much} {currency}" if much else ""
    status = (state or {}).get("status") or ""
    return ", ".join(filter(None, (f"{event['type']}: {kind} {id}", status, about)))
