"""List the facts that are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.resources.timelines import LIST_REFUSALS
from cli.offline_queries import add_operation, ask
from cli.rendering.pages import show_refusals_page

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from cli.settings import Settings


def add(command: ArgumentParser) -> None:
    """Take what HTTP takes."""
    add_operation(command, LIST_REFUSALS, show_refusals_page)


def run(settings: Settings, args: Namespace) -> None:
    """Print what the operation answers."""
    ask(settings, args)
