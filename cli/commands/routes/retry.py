"""Let parked jobs wait to be sent again: of a route, of a webhook, or one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.resources.workflows import RETRY
from cli.offline_queries import add_operation, ask
from cli.rendering.routes import show_retried

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from cli.settings import Settings


def add(command: ArgumentParser) -> None:
    """Take what HTTP takes."""
    add_operation(command, RETRY, lambda console, answer, _: show_retried(console, answer))


def run(settings: Settings, args: Namespace) -> None:
    """Print what the operation answers."""
    ask(settings, args)
