"""Bring the database's tables up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from cli.arguments import add_json
from cli.database import database, migrated

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from cli.settings import Settings


def add(command: ArgumentParser) -> None:
    """Take nothing but the form."""
    add_json(command)


def run(settings: Settings, args: Namespace) -> None:
    """Apply what is pending and name it; tell where an embedded database is reached."""
    with database(settings, migrate=False) as conninfo:
        applied = migrated(conninfo)
    # An address of the user's own may hold a password, and needs no telling.
    embedded = conninfo if settings.database_url is None else None
    if args.json:
        print(msgspec.json.encode({"applied": applied, "embedded_url": embedded}).decode())
        return
    print("\n".join(f"applied {name}" for name in applied) or "nothing to do")
    if embedded is not None:
        print(f"embedded database, while a server or a command runs: {embedded}")
