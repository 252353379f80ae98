"""List the log, oldest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from api.http.questions import Paged
from api.resources.events import LIST_EVENTS, first_events
from cli.arguments import add_json, add_taken, checked, given
from cli.offline_queries import answered

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from cli.settings import Settings


def add(command: ArgumentParser) -> None:
    """Take what HTTP takes, but for pages: `--limit` is all that limits it."""
    reader = LIST_EVENTS.reader
    add_taken(command, reader, without=Paged.__struct_fields__)
    command.add_argument("--limit", type=checked(reader, reader.query["limit"]), help="at the most")
    add_json(command)


def run(settings: Settings, args: Namespace) -> None:
    """Print an event a line."""
    query = given(args, LIST_EVENTS.reader)
    for event in answered(settings, args, lambda read_side: first_events(read_side, query)):
        if args.json:
            print(msgspec.json.encode(event).decode())
        else:
            print("  ".join(str(value) for value in msgspec.structs.astuple(event)))
