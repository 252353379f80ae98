"""List the routes: which events are sent to which target, and how their jobs fare."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.resources.workflows import LIST_ROUTES
from cli.offline_queries import add_operation, ask
from cli.rendering.routes import show_routes
from cli.routes import read_routes

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from cli.settings import Settings


def add(command: ArgumentParser) -> None:
    """Take what HTTP takes."""
    add_operation(command, LIST_ROUTES, lambda console, answer, _: show_routes(console, answer))


def run(settings: Settings, args: Namespace) -> None:
    """Print what the operation answers."""
    read_routes(settings)  # tells what is wrong with the file
    ask(settings, args)
