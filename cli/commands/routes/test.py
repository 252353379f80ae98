"""Send a made-up event to a route's target."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import msgspec

from api.http.responses import encode
from cli.arguments import add_json
from cli.errors import CommandError
from cli.policy import read_policy
from cli.rendering.routes import show_tried, show_unwanted
from cli.rendering.terminal import console, wide_console, write
from cli.routes import read_route
from cli.sample_events import NoSampleError, sample
from cli.settings import SettingsError
from workflows import trial_run
from workflows.job_arguments import Cancelled, TransformationError
from workflows.targets.surroundings import Surroundings, Windmill
from workflows.targets.target import TargetError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from cli.settings import Settings


def add(command: ArgumentParser) -> None:
    """Take the route and the type."""
    command.add_argument("route", metavar="ROUTE")
    command.add_argument("--event", required=True, metavar="TYPE", help="such as dispute.opened")
    command.add_argument("--dry-run", action="store_true", help="only print what would be sent")
    add_json(command)


def run(settings: Settings, args: Namespace) -> None:
    """Transform the event, send it, and wait for what becomes of the job."""
    route, policy = read_route(settings, args.route), read_policy(settings)
    try:
        trigger = sample(args.event, policy)
        arguments = asyncio.run(trial_run.arguments(route, trigger))
        if not route.wants(trigger):
            show_unwanted(console(stderr=True), route)
        if args.dry_run:
            write(arguments + b"\n" if args.json else msgspec.json.format(arguments) + b"\n")
            return
        tried = asyncio.run(trial_run.attempt(route, _surroundings(settings), arguments))
    except (NoSampleError, TargetError) as error:
        raise SettingsError(str(error)) from error
    except (TransformationError, Cancelled) as error:
        raise CommandError(str(error)) from error
    if args.json:
        write(encode(tried) + b"\n")
    else:
        show_tried(wide_console(), tried)
    if tried.outcome != "succeeded":
        raise CommandError("it was not seen to succeed")


def _surroundings(settings: Settings) -> Surroundings:
    known = settings.windmill
    return Surroundings(Windmill(known.base_url, known.workspace, known.token), os.environ)
