"""Commands about Windmill: which workflows start, which have, and which are to start again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from api.answers import encode
from api.asking import asked
from api.cli.arguments import add_json, add_taken, given_in, glob, parameter
from api.cli.errors import CommandError
from api.cli.terminal import console, wide_console, write
from api.conninfo import database
from api.parameters import instant
from api.printing.windmill import (
    show_attempts,
    show_jobs,
    show_replayed,
    show_retried,
    show_routes,
    show_tried,
)
from api.progress import shown
from api.windmill import trying
from api.windmill.address import AddressError, Windmill
from api.windmill.operations import LIST_ATTEMPTS, LIST_OUTBOX, LIST_ROUTES, RETRY
from api.windmill.replaying import Asked, replay
from api.windmill.sampling import NoSampleError
from api.windmill.transforming import Cancelled, TransformationError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from api.cli.arguments import Commands
    from api.operations import Operation
    from api.services import Reading
    from api.settings import Settings
    from api.windmill.route import Route

SINCE: Final = instant("since", "Only what was recorded after this time.")
UNTIL: Final = instant("until", "Only what was recorded up to this time.")
_ASK: Final = (
    ("routes", LIST_ROUTES, show_routes),
    ("outbox", LIST_OUTBOX, show_jobs),
    ("attempts", LIST_ATTEMPTS, show_attempts),
    ("retry", RETRY, show_retried),
)


def add(commands: Commands) -> None:
    """Declare the commands."""
    kinds = commands.add_group("windmill", "start workflows in Windmill, and see how they fare")
    for name, operation, show in _ASK:
        asking = kinds.add(name, _ask, operation.summary.rstrip("."))
        asking.set_defaults(operation=operation, show=show)
        add_taken(asking, cast("Operation[Any]", operation))
        add_json(asking)
    again = kinds.add("replay", _replay, "start jobs for events of the past")
    again.add_argument("--route", required=True, help="for this route, an old or a new one")
    for declared in (SINCE, UNTIL):
        again.add_argument(
            f"--{declared.name}",
            type=parameter(declared),
            metavar="TIME",
            help=declared.description,
        )
    again.add_argument("--type", type=glob, metavar="GLOB", help="Only events of matching types.")
    again.add_argument("--again", action="store_true", help="start also what has run, once more")
    _add_dry_run(again, "only tell what would be done")
    add_json(again)
    test = kinds.add("test", _test, "send a made-up event to a route's workflow")
    test.add_argument("route", metavar="ROUTE")
    test.add_argument("--event", required=True, metavar="TYPE", help="such as dispute.opened")
    _add_dry_run(test, "only print the job's arguments")
    add_json(test)


def _add_dry_run(parser: ArgumentParser, help_: str) -> None:
    parser.add_argument("--dry-run", action="store_true", help=help_)


def _ask(settings: Settings, args: Namespace) -> None:
    operation: Operation[Reading] = args.operation
    given = given_in(args, operation)
    answer = asked(settings, lambda reading: operation.handle(reading, given), _silent)
    if args.json:
        write(answer.body + b"\n")
    else:
        args.show(wide_console(), answer.decoded(cast("type[Any]", operation.answers)))


def _replay(settings: Settings, args: Namespace) -> None:
    route = _route(settings, args.route)
    wanted = Asked(route, args.since, args.until, args.type, args.again)
    with database(settings) as conninfo, shown(console(stderr=True)) as progress:
        done = replay(conninfo, wanted, dry_run=args.dry_run, progress=progress)
    if args.json:
        write(encode(done) + b"\n")
    else:
        show_replayed(wide_console(), done, dry_run=args.dry_run)


def _test(settings: Settings, args: Namespace) -> None:
    route, windmill = _route(settings, args.route), _windmill(settings)
    try:
        arguments = asyncio.run(trying.arguments(route, args.event))
        if args.dry_run:
            write(arguments if args.json else msgspec.json.format(arguments) + b"\n")
            return
        tried = asyncio.run(trying.attempt(route, windmill, arguments))
    except (NoSampleError, TransformationError, Cancelled, AddressError) as error:
        raise CommandError(str(error)) from error
    if args.json:
        write(encode(tried) + b"\n")
    else:
        show_tried(wide_console(), tried)
    if tried.outcome != "succeeded":
        raise CommandError("the workflow was not seen to succeed")


def _route(settings: Settings, name: str) -> Route:
    file = settings.windmill.routes_file()
    routes = file.current()
    if file.problem is not None:
        raise CommandError(file.problem)
    found = next((route for route in routes if route.name == name), None)
    if found is None:
        known = ", ".join(route.name for route in routes) or "none"
        raise CommandError(f"{settings.windmill.routes} has no route {name}; it has {known}")
    return found


def _windmill(settings: Settings) -> Windmill:
    known = settings.windmill
    return Windmill(known.base_url, known.workspace, known.token)


def _silent(_phase: str, _done: int, _total: int) -> None:
    pass
