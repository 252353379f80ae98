"""List the jobs that events call for, the last first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.resources.workflows import LIST_OUTBOX
from cli.offline_queries import add_operation, ask
from cli.rendering.routes import show_jobs

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from cli.settings import Settings


def add(command: ArgumentParser) -> None:
    """Take what HTTP takes."""
    add_operation(command, LIST_OUTBOX, lambda console, answer, _: show_jobs(console, answer))


def run(settings: Settings, args: Namespace) -> None:
    """Print what the operation answers."""
    ask(settings, args)
