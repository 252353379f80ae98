"""A page of a list, with the past that it is of above it and the way to the next below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cli.rendering.anomalies import show_anomalies
from cli.rendering.customers import show_customers
from cli.rendering.ledgers import show_ledger
from cli.rendering.objects import show_objects
from cli.rendering.tables import show_line
from cli.rendering.timelines import show_happenings, show_timeline
from cli.rendering.words import past

if TYPE_CHECKING:
    from rich.console import Console

    from api.answers.anomalies import Anomaly
    from api.answers.named import NamedEntry
    from api.http.pagination import Page
    from api.http.questions import Past
    from domain.credits.entry import CreditEntry
    from domain.customer import Customer
    from domain.entity import Entity


def show_list_page(console: Console, page: Page[Entity], query: Past) -> None:
    """Show a page of objects."""
    _show_head(console, query)
    show_objects(console, page.items)
    _show_next(console, page)


def show_customers_page(console: Console, page: Page[Customer], query: Past) -> None:
    """Show a page of customers."""
    _show_head(console, query)
    show_customers(console, page.items)
    _show_next(console, page)


def show_entries_page(console: Console, page: Page[CreditEntry], query: Past) -> None:
    """Show a page of a ledger of credits."""
    _show_head(console, query)
    show_ledger(console, page.items)
    _show_next(console, page)


def show_timeline_page(console: Console, page: Page[NamedEntry], query: Past) -> None:
    """Show a page of an object's timeline."""
    _show_head(console, query)
    show_timeline(console, page.items)
    _show_next(console, page)


def show_refusals_page(console: Console, page: Page[NamedEntry], query: Past) -> None:
    """Show a page of refused facts."""
    _show_head(console, query)
    show_happenings(console, page.items, {})
    _show_next(console, page)


def show_anomalies_page(console: Console, page: Page[Anomaly], query: Past) -> None:
    """Show a page of what is wrong."""
    _show_head(console, query)
    show_anomalies(console, page.items)
    _show_next(console, page)


def past_of(query: Past) -> str:
    """Tell which past was asked for; nothing for the present."""
    return past(query.as_of, query.known_at)


def _show_head(console: Console, query: Past) -> None:
    if which := past_of(query):
        show_line(console, which.removeprefix(", "))


def _show_next(console: Console, page: Page[Any]) -> None:
    if page.next is not None:
        show_line(console, f"There are more: --cursor {page.next}")
