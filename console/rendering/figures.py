"""The cells of reports: a figure that may lead to what it is made of.

A page has a thousand of them, and a macro takes three times as long as a function for each.
"""

from __future__ import annotations

from html import escape

from markupsafe import Markup

from console.rendering.words import count, money, page_of, units


def amount_cell(
    value: int, currency: str | None, request: str | None = None, *, sign: bool = False
) -> Markup:
    """Write an amount in minor units, which leads to what a request of the API lists."""
    written = f"+{money(value, currency)}" if sign and value > 0 else money(value, currency)
    return _cell(written, units(value, currency), request)


def number_cell(value: int, request: str | None = None) -> Markup:
    """Write how many there are, which leads to what a request of the API lists."""
    return _cell(count(value), str(value), request)


def share_cell(value: float | None) -> Markup:
    """Write a part of a whole in percent; None where there is no whole."""
    written = "–" if value is None else f"{value * 100:.1f} %"
    return Markup(f'<td class="number">{written}</td>')  # noqa: S704 -- nothing to escape


def _cell(written: str, value: str, request: str | None) -> Markup:
    told = escape(written)
    if request is not None:
        told = f'<a href="{escape(page_of(request))}">{told}</a>'
    # A value is digits.
    return Markup(f'<td class="number" data-value="{value}">{told}</td>')  # noqa: S704 -- escaped
