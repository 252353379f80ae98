"""Send events to a program on your own machine as they come, until Ctrl-C."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import psycopg
from msgspec import Meta

from api.http.parameters import Instant
from api.http.questions import Query
from api.http.reader import Reader
from cli.arguments import add_json, add_taken, given, read_with
from cli.database import database
from cli.errors import CommandError
from cli.policy import read_policy
from cli.rendering.words import plain
from cli.settings import SettingsError
from postgres.failures import reason_of
from workflows.forwarding import forwarding, matches
from workflows.routes.conditions import Glob, read_glob
from workflows.routes.route import Route
from workflows.routes.schema import VERDICTS
from workflows.targets.endpoint.declaration import declared, read_endpoint
from workflows.targets.endpoint.secrets import new_secret, read_sources
from workflows.targets.surroundings import Surroundings, Windmill
from workflows.targets.target import TargetError
from workflows.transforms.built_in import TRANSFORMATIONS

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from cli.settings import Settings
    from workflows.forwarding import Forwarded

NAME: Final = "listen"


class Recorded(Query, frozen=True, kw_only=True):
    """Says from when on."""

    since: Annotated[
        Instant | None,
        Meta(description="First what was recorded at this time or later; without, what comes now."),
    ] = None


RECORDED: Final = Reader(Recorded)


def add(command: ArgumentParser) -> None:
    """Take where to, and what."""
    command.add_argument("url", metavar="URL", help="such as http://127.0.0.1:3000/webhooks")
    add_taken(command, RECORDED)
    command.add_argument(
        "--type",
        type=read_with(read_glob),
        default=Glob("*"),
        metavar="GLOB",
        help="only events of matching types, such as refund.*",
    )
    command.add_argument(
        "--transformation",
        choices=list(TRANSFORMATIONS),
        default="envelope",
        help="what is made of them; default: Dodo's own body",
    )
    command.add_argument(
        "--secret",
        metavar="PLACE",
        help="env:NAME or file:path of what they are signed with; default: a new one, printed",
    )
    add_json(command)


def run(settings: Settings, args: Namespace) -> None:
    """Send what comes, once each, and print what it is answered; nothing is recorded of it."""
    secret, since = new_secret(), given(args, RECORDED).since
    route = _route(args, secret)
    policy, surroundings = read_policy(settings), Surroundings(Windmill(), os.environ)
    try:
        with database(settings, migrate=False) as conninfo, forwarding(route, surroundings) as send:
            to = f"Events go to {route.shown}, signed with {args.secret or secret}"
            print(f"{to}. Ctrl-C ends it.", file=sys.stderr, flush=True)
            with suppress(KeyboardInterrupt):
                for match in matches(conninfo, route, since, policy):
                    if made := send(match):
                        print(_as_json(made) if args.json else _line(made), flush=True)
    except TargetError as error:
        raise SettingsError(str(error)) from error
    except psycopg.Error as error:
        raise CommandError(f"the events cannot be read: {reason_of(error)}") from error


def _route(args: Namespace, secret: str) -> Route:
    try:
        signer = read_sources(args.secret or secret, Path.cwd())
        target = declared(read_endpoint(args.url), {"secret": signer, "private": True})
    except ValueError as error:
        raise SettingsError(f"the URL, or the secret, {error}") from error
    return Route(NAME, (args.type,), target, args.transformation, verdicts=VERDICTS)


def _line(made: Forwarded) -> str:
    one = made.trigger
    answer = f"{made.status} in {made.took_ms} ms" if made.status else "no answer"
    words = [f"{one.recorded_at:%H:%M:%S}", one.type, one.webhook_id, answer, made.problem]
    return plain(" ".join(filter(None, words)))


def _as_json(made: Forwarded) -> str:
    one = made.trigger
    told = {
        "webhook_id": one.webhook_id,
        "type": one.type,
        "status": made.status,
        "took_ms": made.took_ms,
        "problem": made.problem or None,
    }
    return msgspec.json.encode(told).decode()
