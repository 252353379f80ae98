"""Is `raphus routes` now, for whatever is sent to."""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING

from cli.settings import SettingsError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from cli.settings import Settings


def add(command: ArgumentParser) -> None:
    """Take whatever was typed behind it."""
    command.add_argument("words", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)


def run(_: Settings, args: Namespace) -> None:
    """Tell what to type instead."""
    words = ["list" if word == "routes" else word for word in args.words]
    raise SettingsError(f"raphus windmill is gone: type {shlex.join(['raphus', 'routes', *words])}")
