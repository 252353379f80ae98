"""List the log, oldest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from api.http.pagination import LIMIT
from api.resources.events import CURSOR, LIST_EVENTS, first_events
from cli.arguments import add_json, add_taken, arguments_of, parameter
from cli.offline_queries import answered

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from cli.settings import Settings


def add(command: ArgumentParser) -> None:
    """Take what HTTP takes, but for pages: `--limit` is all that limits it."""
    add_taken(command, LIST_EVENTS, without=(LIMIT, CURSOR.parameter))
    command.add_argument(
        "--limit", type=parameter(LIMIT), default=LIMIT.default, help="at the most"
    )
    add_json(command)


def run(settings: Settings, args: Namespace) -> None:
    """Print an event a line."""
    arguments = arguments_of(args, LIST_EVENTS)
    for event in answered(settings, args, lambda read_side: first_events(read_side, arguments)):
        if args.json:
            print(msgspec.json.encode(event).decode())
        else:
            print("  ".join(str(value) for value in msgspec.structs.astuple(event)))
