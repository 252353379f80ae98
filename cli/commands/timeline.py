"""Tell what happened to an object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.offline_queries import add_kinds, ask
from cli.rendering.pages import show_timeline_page

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from cli.settings import Settings


def add(command: ArgumentParser) -> None:
    """Take a kind, and what is asked of it."""
    add_kinds(command, lambda objects: objects.timeline, show_timeline_page)


def run(settings: Settings, args: Namespace) -> None:
    """Print what the operation answers."""
    ask(settings, args)
