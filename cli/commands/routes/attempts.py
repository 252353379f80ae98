"""List the requests that were made for jobs, the last first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.resources.workflows import LIST_ATTEMPTS
from cli.offline_queries import add_operation, ask
from cli.rendering.routes import show_attempts

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from cli.settings import Settings


def add(command: ArgumentParser) -> None:
    """Take what HTTP takes."""
    add_operation(command, LIST_ATTEMPTS, lambda console, answer, _: show_attempts(console, answer))


def run(settings: Settings, args: Namespace) -> None:
    """Print what the operation answers."""
    ask(settings, args)
