"""A person's state: who it is, what there is, what gives access, and how sure that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.rendering.access import in_short, show_sureness, who
from cli.rendering.customers import names
from cli.rendering.pages import past_of
from cli.rendering.tables import show_line, show_table
from cli.rendering.words import NOTHING, day, moment, money, often, products_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from api.answers.state import HeldSubscription, Price, State
    from api.http.questions import Past


def show_state(console: Console, found: State, query: Past) -> None:
    """Print a person's state."""
    for one, line in zip(found.customers, who(found.customers), strict=True):
        show_line(console, f"{line}{past_of(query)}")
        for named in names(one):
            show_line(console, named)
    show_line(console, f"{in_short(found.access)}: {found.access.reason.text}")
    _show_subscriptions(console, "Active subscriptions", found.active)
    _show_subscriptions(console, "Not active, but with access", found.in_grace)
    _show_subscriptions(console, "Subscriptions without access", found.without_access)
    _show_purchases(console, found)
    _show_keys(console, found)
    _show_grants(console, found)
    _show_disputes(console, found)
    _show_unpaid(console, found)
    _show_products(console, found)
    show_line(console)
    show_sureness(console, found.doubts, found.freshness)


def _show(console: Console, head: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if rows:
        show_line(console)
        show_line(console, head)
        show_table(console, heads, rows)


def _show_subscriptions(console: Console, head: str, held: Sequence[HeldSubscription]) -> None:
    heads = "id", "status", "product", "price", "since", "next charge", "ends", "access until"
    rows = [
        (
            one.subscription_id,
            one.status or NOTHING,
            products_of(one) or NOTHING,
            _price(one.price),
            day(one.created_at),
            moment(one.next_charge_at) if one.next_charge_at else "",
            moment(one.next_billing_date) if one.cancel_at_next_billing_date else "",
            moment(one.access_until) if one.access_until else "",
        )
        for one in held
    ]
    _show(console, head, heads, rows)


def _price(price: Price) -> str:
    cost = money(price.amount, price.currency)
    return f"{cost} {often(price.every, price.interval)}".rstrip() if cost else ""


def _show_purchases(console: Console, found: State) -> None:
    heads = "payment", "product", "paid", "refunded", "on", "access"
    rows = [
        (
            one.payment_id,
            products_of(one) or NOTHING,
            money(one.total_amount, one.currency),
            money(one.refunded_amount, one.currency) if one.refunded_amount else "",
            day(one.created_at),
            "yes" if one.access else "no",
        )
        for one in found.bought_once
    ]
    _show(console, "Bought once", heads, rows)


def _show_keys(console: Console, found: State) -> None:
    heads = "id", "status", "product", "access", "access until"
    rows = [
        (
            one.id,
            one.status or NOTHING,
            products_of(one) or NOTHING,
            "yes" if one.access else "no",
            moment(one.access_until) if one.access_until else "",
        )
        for one in found.license_keys
    ]
    _show(console, "Licence keys", heads, rows)


def _show_grants(console: Console, found: State) -> None:
    heads = "id", "status", "of", "with", "access", "access until"
    rows = [
        (
            one.id,
            one.status or NOTHING,
            one.integration_type or NOTHING,
            one.subscription_id or one.payment_id or "",
            "yes" if one.access else "no",
            moment(one.access_until) if one.access_until else "",
        )
        for one in found.grants
    ]
    _show(console, "Grants", heads, rows)


def _show_disputes(console: Console, found: State) -> None:
    heads = "id", "status", "stage", "payment", "amount", "since"
    rows = [
        (
            one.dispute_id,
            one.status or NOTHING,
            one.stage or "",
            one.payment_id or "",
            money(one.amount, one.currency),
            day(one.created_at),
        )
        for one in found.open_disputes
    ]
    _show(console, "Open disputes", heads, rows)


def _show_unpaid(console: Console, found: State) -> None:
    heads = "payment", "for", "amount", "on", "because"
    rows = [
        (
            one.payment_id,
            one.subscription_id or products_of(one) or NOTHING,
            money(one.total_amount, one.currency),
            day(one.created_at),
            one.error_code or "",
        )
        for one in found.unpaid
    ]
    _show(console, "Failed to be paid", heads, rows)


def _show_products(console: Console, found: State) -> None:
    heads = "product", "access", "because"
    rows = [(products_of(one), in_short(one), one.reason.text) for one in found.products]
    _show(console, "Access by product", heads, rows)
