"""Make a key, and show it once."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec

from api.http.scopes import MEANINGS, SCOPES
from api.keys import table
from api.keys.secret import new_key
from cli.arguments import add_json, read_with
from cli.errors import CommandError
from cli.key_table import changed
from cli.rendering.terminal import write

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from cli.settings import Settings


def add(command: ArgumentParser) -> None:
    """Take the name, and what the key may."""
    scopes = "; ".join(f"{name} {meaning}" for name, meaning in MEANINGS.items())
    command.add_argument(
        "name", type=read_with(table.read_name), metavar="NAME", help="what it is called"
    )
    command.add_argument(
        "--scope",
        type=read_with(table.read_scope),
        action="append",
        required=True,
        metavar="|".join(SCOPES),
        help=f"what it may, once or more: {scopes.replace('`', '')}",
    )
    command.add_argument(
        "--business",
        type=read_with(table.read_business),
        metavar="ID",
        help="the one business that it sees, by Dodo's id; without it: all",
    )
    add_json(command)


def run(settings: Settings, args: Namespace) -> None:
    """Keep the hash of a new key, then print the key."""
    key = new_key()
    if not changed(settings, table.create(key, args.name, args.scope, args.business)):
        raise CommandError(
            f"there is a key {args.name} (revoke it first, or take another name), or there are"
            f" {table.LIVING_MAX} keys, as many as may be"
        )
    if args.json:
        write(msgspec.json.encode({"name": args.name, "key": key}) + b"\n")
        return
    print("The key, which is shown only now:", file=sys.stderr)
    write(f"{key}\n".encode())
