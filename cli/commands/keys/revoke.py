"""Revoke a key, for good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.keys import table
from api.keys.key_ring import FRESH_S
from cli.arguments import read_with
from cli.errors import CommandError
from cli.key_table import changed

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from cli.settings import Settings


def add(command: ArgumentParser) -> None:
    """Take the name."""
    command.add_argument(
        "name", type=read_with(table.read_name), metavar="NAME", help="what it is called"
    )


def run(settings: Settings, args: Namespace) -> None:
    """Revoke it, and tell from when on it is refused."""
    if not changed(settings, table.revoke(args.name)):
        raise CommandError(f"there is no key {args.name}: see raphus keys list")
    print(f"revoked {args.name}: servers refuse it within {FRESH_S:g} s")
