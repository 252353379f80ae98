"""Start jobs for events of the past."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg

from api.http.errors import ApiError
from api.http.parameters import instant
from api.http.responses import encode
from cli.arguments import add_json, parameter, read_with
from cli.database import database
from cli.errors import CommandError
from cli.rendering.progress import shown
from cli.rendering.terminal import console, wide_console, write
from cli.rendering.windmill import show_replayed
from cli.routes import read_route
from postgres.failures import reason_of
from workflows.outbox.replay import Asked, replay
from workflows.routes.conditions import read_glob

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from cli.settings import Settings

SINCE: Final = instant("since", "Only what was recorded at this time or later.")
UNTIL: Final = instant("until", "Only what was recorded up to this time.")


def add(command: ArgumentParser) -> None:
    """Take the route, and which events."""
    command.add_argument("--route", required=True, help="for this route, an old or a new one")
    for declared in (SINCE, UNTIL):
        command.add_argument(
            f"--{declared.name}",
            type=parameter(declared),
            metavar="TIME",
            help=declared.description,
        )
    command.add_argument(
        "--type",
        type=read_with(read_glob),
        metavar="GLOB",
        help="Only events of matching types, such as refund.*",
    )
    command.add_argument("--again", action="store_true", help="start also what has run, once more")
    command.add_argument("--dry-run", action="store_true", help="only tell what would be done")
    add_json(command)


def run(settings: Settings, args: Namespace) -> None:
    """Put the jobs into the outbox, from which the server starts them."""
    route = read_route(settings, args.route)
    if not route.enabled:
        raise CommandError(f"the route {route.name} is off: enabled = false")
    if args.since and args.until and args.until < args.since:
        raise ApiError(400, "invalid_parameter", "until must not lie before since")
    wanted = Asked(route, args.since, args.until, args.type, args.again)
    try:
        with database(settings) as conninfo, shown(console(stderr=True)) as progress:
            done = replay(conninfo, wanted, dry_run=args.dry_run, progress=progress)
    except psycopg.Error as error:
        raise CommandError(f"nothing is replayed: {reason_of(error)}") from error
    if args.json:
        write(encode(done) + b"\n")
    else:
        show_replayed(wide_console(), done, dry_run=args.dry_run)
