"""Show one object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.offline_queries import add_kinds, ask
from cli.rendering.objects import show_object
from cli.rendering.pages import past_of

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from rich.console import Console

    from api.http.questions import Past
    from cli.settings import Settings
    from domain.entity import Entity


def add(command: ArgumentParser) -> None:
    """Take a kind, and what is asked of it."""
    add_kinds(command, lambda objects: objects.get, _show)


def run(settings: Settings, args: Namespace) -> None:
    """Print what the operation answers."""
    ask(settings, args)


def _show(console: Console, entity: Entity, query: Past) -> None:
    show_object(console, entity, past_of(query))
