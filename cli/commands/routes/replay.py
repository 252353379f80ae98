"""Send events of the past."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg

from api.http.errors import ApiError
from api.http.reader import Reader
from api.http.responses import encode
from api.resources.workflows import Recorded
from cli.arguments import add_json, add_taken, given, read_with
from cli.database import database
from cli.errors import CommandError
from cli.rendering.progress import shown
from cli.rendering.routes import show_replayed
from cli.rendering.terminal import console, wide_console, write
from cli.routes import read_route
from postgres.failures import reason_of
from workflows.outbox.replay import Asked, replay
from workflows.routes.conditions import read_glob

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from cli.settings import Settings


RECORDED: Final = Reader(Recorded)


def add(command: ArgumentParser) -> None:
    """Take the route, and which events."""
    command.add_argument("--route", required=True, help="for this route, an old or a new one")
    add_taken(command, RECORDED)
    command.add_argument(
        "--type",
        type=read_with(read_glob),
        metavar="GLOB",
        help="Only events of matching types, such as refund.*",
    )
    command.add_argument("--again", action="store_true", help="send also what was sent, once more")
    command.add_argument("--dry-run", action="store_true", help="only tell what would be done")
    add_json(command)


def run(settings: Settings, args: Namespace) -> None:
    """Put the jobs into the outbox, from which the server starts them."""
    route = read_route(settings, args.route)
    if not route.enabled:
        raise CommandError(f"the route {route.name} is off: enabled = false")
    recorded = given(args, RECORDED)
    if recorded.since and recorded.until and recorded.until < recorded.since:
        raise ApiError(400, "invalid_parameter", "until must not lie before since")
    wanted = Asked(route, recorded.since, recorded.until, args.type, args.again)
    try:
        with database(settings) as conninfo, shown(console(stderr=True)) as progress:
            done = replay(conninfo, wanted, dry_run=args.dry_run, progress=progress)
    except psycopg.Error as error:
        raise CommandError(f"nothing is replayed: {reason_of(error)}") from error
    if args.json:
        write(encode(done) + b"\n")
    else:
        show_replayed(wide_console(), done, dry_run=args.dry_run)
