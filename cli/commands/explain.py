"""Tell why a field is what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.offline_queries import add_kinds, ask
from cli.rendering.explanations import show_explanation
from cli.rendering.pages import past_of

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from rich.console import Console

    from api.http.questions import Past
    from cli.settings import Settings
    from domain.explanation.explain import Explanation


def add(command: ArgumentParser) -> None:
    """Take a kind, and what is asked of it."""
    add_kinds(command, lambda objects: objects.explain, _show)


def run(settings: Settings, args: Namespace) -> None:
    """Print what the operation answers."""
    ask(settings, args)


def _show(console: Console, explanation: Explanation, query: Past) -> None:
    show_explanation(console, explanation, past_of(query))
