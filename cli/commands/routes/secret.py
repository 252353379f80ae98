"""Make a secret for an endpoint, to sign its webhooks with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflows.targets.endpoint.secrets import new_secret

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from cli.settings import Settings


def add(_: ArgumentParser) -> None:
    """Take nothing."""


def run(_settings: Settings, _args: Namespace) -> None:
    """Print it; it is kept nowhere."""
    print(new_secret())
