"""List the objects of a kind, the customers, or the entries of a ledger of credits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from api.resources.credit_entries import LIST_CREDIT_ENTRIES
from api.resources.customers_list import LIST_CUSTOMERS
from cli.offline_queries import add_kinds, add_operation, ask
from cli.rendering.pages import show_customers_page, show_entries_page, show_list_page

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence

    from api.http.operations import Operation
    from api.queries.read_side import ReadSide
    from cli.offline_queries import Show
    from cli.settings import Settings

_OTHERS: Final[Sequence[tuple[str, Operation[ReadSide, Any, Any], Show]]] = (
    ("customers", LIST_CUSTOMERS, show_customers_page),
    ("credit_entries", LIST_CREDIT_ENTRIES, show_entries_page),
)


def add(command: ArgumentParser) -> None:
    """Take a kind, and what is asked of it."""
    kinds = add_kinds(command, lambda objects: objects.list, show_list_page)
    for name, operation, show in _OTHERS:
        parser = kinds.add_parser(name, help=operation.summary)
        add_operation(parser, operation, show)


def run(settings: Settings, args: Namespace) -> None:
    """Print what the operation answers."""
    ask(settings, args)
