"""Commands about the log: to read it, to prove it, and to write anew what follows from it."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import msgspec

from api.http.pagination import LIMIT
from api.resources.customers import CUSTOMER_ID
from api.resources.events import CURSOR, LIST_EVENTS, first_events
from cli.arguments import add_json, add_taken, given_in, head, parameter, read_model
from cli.commands import rebuilding, verifying
from cli.commands.auditing import audit
from cli.errors import CommandError
from cli.offline_queries import asked
from cli.rendering.terminal import console, write

if TYPE_CHECKING:
    from argparse import Namespace

    from cli.arguments import Commands
    from cli.settings import Settings


def add(commands: Commands) -> None:
    """Declare the commands."""
    events = commands.add("events", _events, "list the log, oldest first")
    add_taken(events, LIST_EVENTS, without=(LIMIT, CURSOR.parameter))
    events.add_argument("--limit", type=parameter(LIMIT), default=LIMIT.default, help="at the most")
    add_json(events)
    audited = commands.add("audit", _audit, "write every delivery about a customer as JSON Lines")
    audited.add_argument(
        "id", type=parameter(CUSTOMER_ID), metavar="ID", help=CUSTOMER_ID.description
    )
    rebuild = commands.add("rebuild", _rebuild, "write read models anew from history")
    names = f"of {', '.join(rebuilding.NAMES)}; else all"
    rebuild.add_argument("names", nargs="*", type=read_model, metavar="NAME", help=names)
    rebuild.add_argument("--check", action="store_true", help="only compare; 1 if they differ")
    add_json(rebuild)
    verify = commands.add("verify", _verify, "prove that history is whole")
    verify.add_argument("--head", action="store_true", help="only print the head, to be kept")
    verify.add_argument("--against", type=head, metavar="HEAD", help="a head kept from before")
    verify.add_argument("--signatures", action="store_true", help="check every signature again")
    add_json(verify)


def _events(settings: Settings, args: Namespace) -> None:
    given = given_in(args, LIST_EVENTS)
    for event in asked(settings, lambda reading: first_events(reading, given)):
        if args.json:
            print(msgspec.json.encode(event).decode())
        else:
            print("  ".join(str(value) for value in msgspec.structs.astuple(event)))


def _audit(settings: Settings, args: Namespace) -> None:
    with closing(audit(settings, args.id)) as lines:
        for line in lines:
            write(line)


def _rebuild(settings: Settings, args: Namespace) -> None:
    shown_on = console(stderr=True)
    found = rebuilding.rebuilt(settings, args.names, shown_on, check=args.check)
    print(rebuilding.as_json(found) if args.json else "\n".join(rebuilding.as_text(found)))
    if args.check and not found.equal:
        raise CommandError("the read models differ from history: raphus rebuild writes them anew")


def _verify(settings: Settings, args: Namespace) -> None:
    if args.head:
        print(verifying.read_head(settings))
        return
    shown_on = console(stderr=True)
    found = verifying.verified(settings, shown_on, args.against, signatures=args.signatures)
    print(verifying.as_json(found) if args.json else "\n".join(verifying.as_text(found)))
    if found.fault is not None:
        raise CommandError("the log is not what was recorded")
    if found.missing is not None:
        raise verifying.UnknownHeadError
