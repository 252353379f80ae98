"""Print the version."""

from __future__ import annotations

import platform
import sys
from importlib import metadata
from typing import TYPE_CHECKING

import msgspec

from cli.arguments import add_json

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from cli.settings import Settings


def add(command: ArgumentParser) -> None:
    """Take nothing but the form."""
    add_json(command)


def run(_settings: Settings, args: Namespace) -> None:
    """Print it."""
    number = metadata.version("raphus")
    if args.json:
        told = {"raphus": number, "python": platform.python_version(), "system": sys.platform}
        print(msgspec.json.encode(told).decode())
    else:
        print(f"raphus {number}")
