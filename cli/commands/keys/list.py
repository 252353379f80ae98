"""List the keys, with what they may and when they were last used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.http.responses import encode
from api.keys import table
from cli.arguments import add_json
from cli.key_table import asked
from cli.rendering.keys import show_keys
from cli.rendering.terminal import wide_console, write

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from cli.settings import Settings


def add(command: ArgumentParser) -> None:
    """Take nothing but the form."""
    add_json(command)


def run(settings: Settings, args: Namespace) -> None:
    """Print all keys but the one of everything, which is not in the table."""
    keys = table.read_listed(asked(settings, table.listed()))
    if args.json:
        write(encode({"items": keys}) + b"\n")
    else:
        show_keys(wide_console(), keys)
