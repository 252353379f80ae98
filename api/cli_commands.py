"""Commands: what each command of the command line does with its arguments."""

from __future__ import annotations

import platform
import sys
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import psycopg
from rich.console import Console

from api import demo as demo_
from api import pictures, playing, rebuilding, verifying
from api import serve as serve_
from api.conninfo import database, migrated
from api.events import AGGREGATE, TYPE, read_event, select_events
from api.parameters import Given
from api.playing import Play

if TYPE_CHECKING:
    from argparse import Namespace

    from api.settings import Settings


WIDTH: Final = 110


class CommandError(Exception):
    """A command could not do what it was asked for."""


def serve(settings: Settings, args: Namespace) -> None:
    """Serve until stopped."""
    serve_.serve(_addressed(settings, args))


def demo(settings: Settings, args: Namespace) -> None:
    """Run everything with a simulated merchant."""
    what = Play(args.customers, args.seed, args.lost)
    demo_.demo(_addressed(settings, args), what, _console(), stay=not args.exit)


def simulate(settings: Settings, args: Namespace) -> None:
    """Post a simulated merchant's webhooks to a server."""
    settings.verifier()  # tells what is wrong with the secrets
    what, secret = Play(args.customers, args.seed, args.lost), settings.webhook_keys[0]
    tally = playing.play(what, args.to, secret, _console(stderr=True))
    print(msgspec.json.encode(tally).decode() if args.json else playing.told(tally))
    if tally.refused or tally.failed:
        raise CommandError("not every webhook was accepted")


def migrate(settings: Settings, args: Namespace) -> None:
    """Apply what is pending."""
    with database(settings, migrate=False) as conninfo:
        applied = migrated(conninfo)
    if args.json:
        print(msgspec.json.encode({"applied": applied}).decode())
    else:
        print("\n".join(f"applied {name}" for name in applied) or "nothing to do")


def events(settings: Settings, args: Namespace) -> None:
    """Print a part of the log, a line an event."""
    asked = {TYPE.name: args.type, AGGREGATE.name: args.aggregate_id}
    given = Given({name: value for name, value in asked.items() if value is not None})
    statement = select_events(given, after=args.after or 0, limit=args.limit)
    with database(settings) as conninfo, psycopg.connect(conninfo) as conn:
        conn.execute("SET timezone = 'UTC'")
        rows = conn.execute(statement.sql.encode(), statement.params).fetchall()
    for event in (read_event(row).value for row in rows):
        if args.json:
            print(msgspec.json.encode(event).decode())
        else:
            print("  ".join(str(value) for value in msgspec.structs.astuple(event)))


def rebuild(settings: Settings, args: Namespace) -> None:
    """Rebuild read models, or only compare them, and print what differed."""
    console = _console(stderr=True)
    found = rebuilding.rebuilt(settings, args.names, console, check=args.check)
    print(rebuilding.as_json(found) if args.json else "\n".join(rebuilding.as_text(found)))
    if args.check and not found.equal:
        raise CommandError("the read models differ from history: raphus rebuild writes them anew")


def verify(settings: Settings, args: Namespace) -> None:
    """Prove that the log is whole, or print its head."""
    if args.head:
        print(verifying.read_head(settings))
        return
    console = Console(stderr=True)
    found = verifying.verified(settings, console, args.against, signatures=args.signatures)
    print(verifying.as_json(found) if args.json else "\n".join(verifying.as_text(found)))
    if found.fault is not None:
        raise CommandError("the log is not what was recorded")


def docs(_settings: Settings, args: Namespace) -> None:
    """Write the page of state machines, or check that it is up to date."""
    path, page = Path(args.path), pictures.state_machines()
    if args.check:
        if not path.is_file() or path.read_text("utf-8") != page:
            raise CommandError(f"{path} is stale: run raphus docs")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, "utf-8")
    print(f"{path} is written")


def version(_settings: Settings, args: Namespace) -> None:
    """Print the version of Raphus, and with JSON that of Python."""
    number = metadata.version("raphus")
    if args.json:
        told = {"raphus": number, "python": platform.python_version(), "system": sys.platform}
        print(msgspec.json.encode(told).decode())
    else:
        print(f"raphus {number}")


def _console(*, stderr: bool = False) -> Console:
    console = Console(stderr=stderr, markup=False, highlight=False)
    if not console.is_terminal:
        console.width = WIDTH  # in a log there is room for the tables
    return console


def _addressed(settings: Settings, args: Namespace) -> Settings:
    given = {name: getattr(args, name, None) for name in ("host", "port")}
    return replace(settings, **{name: value for name, value in given.items() if value is not None})
