"""List what is wrong: overdue, missing, refused, paid for nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.resources.anomalies import LIST_ANOMALIES
from cli.offline_queries import add_operation, ask
from cli.rendering.pages import show_anomalies_page

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from cli.settings import Settings


def add(command: ArgumentParser) -> None:
    """Take what HTTP takes."""
    add_operation(command, LIST_ANOMALIES, show_anomalies_page)


def run(settings: Settings, args: Namespace) -> None:
    """Print what the operation answers."""
    ask(settings, args)
