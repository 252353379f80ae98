"""Commands about Windmill: which workflows start, which have, and which are to start again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import msgspec
import psycopg

from api.http.errors import ApiError
from api.http.parameters import instant
from api.http.responses import encode
from api.resources.workflows import LIST_ATTEMPTS, LIST_OUTBOX, LIST_ROUTES, RETRY
from cli.arguments import add_json, add_taken, given_in, glob, parameter
from cli.database import database
from cli.errors import CommandError
from cli.offline_queries import asked
from cli.rendering.progress import shown
from cli.rendering.terminal import console, wide_console, write
from cli.rendering.windmill import (
    show_attempts,
    show_jobs,
    show_replayed,
    show_retried,
    show_routes,
    show_tried,
    show_unwanted,
)
from cli.sample_events import NoSampleError, sample
from cli.settings import SettingsError
from telemetry.progress import silent
from workflows.dispatch.address import AddressError, Windmill
from workflows.job_arguments import Cancelled, TransformationError
from workflows.outbox.replay import Asked, replay

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from rich.console import Console

    from api.http.operations import Operation
    from api.queries.read_side import ReadSide
    from cli.arguments import Commands
    from cli.settings import Settings
    from workflows.routes.route import Route, Routes

SINCE: Final = instant("since", "Only what was recorded at this time or later.")
UNTIL: Final = instant("until", "Only what was recorded up to this time.")


def add(commands: Commands) -> None:
    """Declare the commands."""
    kinds = commands.add_group("windmill", "start workflows in Windmill, and see how they fare")
    for name, run, operation, show in _ASKING:
        help_ = operation.summary.rstrip(".")
        asking = kinds.add(name, run, f"{help_[0].lower()}{help_[1:]}")
        asking.set_defaults(operation=operation, show=show)
        add_taken(asking, operation)
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
    again.add_argument(
        "--type", type=glob, metavar="GLOB", help="Only events of matching types, such as refund.*"
    )
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
    operation: Operation[ReadSide] = args.operation
    given = given_in(args, operation)
    answer = asked(settings, lambda read_side: operation.handle(read_side, given), silent)
    if args.json:
        write(answer.body + b"\n")
    else:
        args.show(wide_console(), answer.decoded(cast("type[Any]", operation.answers)))


def _routes(settings: Settings, args: Namespace) -> None:
    _read(settings)
    _ask(settings, args)


def _replay(settings: Settings, args: Namespace) -> None:
    route = _route(settings, args.route)
    if not route.enabled:
        raise CommandError(f"the route {route.name} is off: enabled = false")
    if args.since and args.until and args.until < args.since:
        raise ApiError(400, "invalid_parameter", "until must not lie before since")
    wanted = Asked(route, args.since, args.until, args.type, args.again)
    try:
        with database(settings) as conninfo, shown(console(stderr=True)) as progress:
            done = replay(conninfo, wanted, dry_run=args.dry_run, progress=progress)
    except psycopg.Error as error:
        reason = error.diag.message_primary or "the database is away"
        raise CommandError(f"nothing is replayed: {reason}") from error
    if args.json:
        write(encode(done) + b"\n")
    else:
        show_replayed(wide_console(), done, dry_run=args.dry_run)


def _test(settings: Settings, args: Namespace) -> None:
    from workflows import trial_run as trying  # noqa: PLC0415 -- it loads an HTTP client

    route = _route(settings, args.route)
    try:
        occasion = sample(args.event)
        arguments = asyncio.run(trying.arguments(route, occasion))
        if not route.wants(occasion):
            show_unwanted(console(stderr=True), route)
        if args.dry_run:
            write(arguments + b"\n" if args.json else msgspec.json.format(arguments) + b"\n")
            return
        tried = asyncio.run(trying.attempt(route, _windmill(settings), arguments))
    except (NoSampleError, AddressError) as error:
        raise SettingsError(str(error)) from error
    except (TransformationError, Cancelled) as error:
        raise CommandError(str(error)) from error
    if args.json:
        write(encode(tried) + b"\n")
    else:
        show_tried(wide_console(), tried)
    if tried.outcome != "succeeded":
        raise CommandError("the workflow was not seen to succeed")


def _read(settings: Settings) -> Routes:
    """Read the routes as they stand in their file now, where nothing of an earlier time counts."""
    file = settings.windmill.routes_file()
    routes = file.current()
    if file.problem is not None:
        raise SettingsError(file.problem)
    return routes


def _route(settings: Settings, name: str) -> Route:
    routes, path = _read(settings), settings.windmill.routes
    found = routes.named(name)
    if found is None:
        known = ", ".join(route.name for route in routes)
        told = f"has no route {name!r}; it has {known}" if known else "declares no routes"
        raise SettingsError(f"{path} {told if path.exists() else 'is not there'}")
    return found


def _windmill(settings: Settings) -> Windmill:
    known = settings.windmill
    return Windmill(known.base_url, known.workspace, known.token)


class _Asking(NamedTuple):
    name: str
    run: Callable[[Settings, Namespace], None]
    operation: Operation[ReadSide]
    show: Callable[[Console, Any], None]  # Any: each shows what its own operation answers


_ASKING: Final = (
    _Asking("routes", _routes, LIST_ROUTES, show_routes),
    _Asking("outbox", _ask, LIST_OUTBOX, show_jobs),
    _Asking("attempts", _ask, LIST_ATTEMPTS, show_attempts),
    _Asking("retry", _ask, RETRY, show_retried),
)
"""The commands that ask what HTTP is asked too."""
