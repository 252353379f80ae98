"""List the objects of a kind, or the customers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.resources.customers_list import LIST_CUSTOMERS
from cli.offline_queries import add_kinds, add_operation, ask
from cli.rendering.pages import show_customers_page, show_list_page

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from cli.settings import Settings


def add(command: ArgumentParser) -> None:
    """Take a kind, and what is asked of it."""
    kinds = add_kinds(command, lambda objects: objects.list, show_list_page)
    summary = LIST_CUSTOMERS.summary
    parser = kinds.add_parser("customers", help=summary)
    add_operation(parser, LIST_CUSTOMERS, show_customers_page)


def run(settings: Settings, args: Namespace) -> None:
    """Print what the operation answers."""
    ask(settings, args)
