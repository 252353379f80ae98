"""Commands that run Raphus, or tell of the program itself."""

from __future__ import annotations

import platform
import sys
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from cli.arguments import add_json, count, port, share
from cli.commands import demo as demo_
from cli.commands import pictures, playing
from cli.commands import serving as serve_
from cli.commands.playing import Play
from cli.database import database, migrated
from cli.errors import CommandError
from cli.rendering.terminal import console

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from cli.arguments import Commands
    from cli.settings import Settings


def add(commands: Commands) -> None:
    """Declare the commands."""
    serve = commands.add("serve", _serve, "take webhooks and answer questions")
    _add_port(serve)
    serve.add_argument("--host", help="instead of HOST")
    demo = commands.add("demo", _demo, "run everything with a simulated merchant, and stay up")
    _add_port(demo)
    _add_play(demo, customers=150, lost=0.03)
    demo.add_argument("--exit", action="store_true", help="end after showing what there is")
    simulate = commands.add("simulate", _simulate, "post a simulated merchant's webhooks")
    simulate.add_argument("--to", required=True, metavar="URL", help="a server's webhook address")
    _add_play(simulate, customers=150, lost=0.0)
    add_json(simulate)
    add_json(commands.add("migrate", _migrate, "bring the database's tables up to date"))
    docs = commands.add("docs", _docs, "write docs/state-machines.md from the tables")
    docs.add_argument("--write", action="store_true", help="the default")
    docs.add_argument("--check", action="store_true", help="only fail if the file is stale")
    docs.add_argument("--path", default="docs/state-machines.md", help="default: %(default)s")
    add_json(commands.add("version", _version, "print the version"))


def _add_port(parser: ArgumentParser) -> None:
    parser.add_argument("--port", type=port, help="instead of PORT; 0 takes a free one")


def _add_play(parser: ArgumentParser, customers: int, lost: float) -> None:
    parser.add_argument("--customers", type=count, default=customers, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="chooses the histories; default: 1")
    parser.add_argument(
        "--lost",
        type=share,
        default=lost,
        help="share that never comes, 0 to 1; default: %(default)s",
    )


def _serve(settings: Settings, args: Namespace) -> None:
    serve_.serve(_addressed(settings, args))


def _demo(settings: Settings, args: Namespace) -> None:
    what = Play(args.customers, args.seed, args.lost)
    demo_.demo(_addressed(settings, args), what, console(), stay=not args.exit)


def _simulate(settings: Settings, args: Namespace) -> None:
    settings.verifier()  # tells what is wrong with the secrets
    what, secret = Play(args.customers, args.seed, args.lost), settings.webhook_keys[0]
    tally = playing.play(what, args.to, secret, console(stderr=True))
    print(msgspec.json.encode(tally).decode() if args.json else playing.told(tally))
    if tally.refused or tally.failed:
        raise CommandError("not every webhook was accepted")


def _migrate(settings: Settings, args: Namespace) -> None:
    with database(settings, migrate=False) as conninfo:
        applied = migrated(conninfo)
    # An address of the user's own may hold a password, and needs no telling.
    embedded = conninfo if settings.database_url is None else None
    if args.json:
        print(msgspec.json.encode({"applied": applied, "embedded_url": embedded}).decode())
        return
    print("\n".join(f"applied {name}" for name in applied) or "nothing to do")
    if embedded is not None:
        print(f"embedded database, while a server or a command runs: {embedded}")


def _docs(_settings: Settings, args: Namespace) -> None:
    path, page = Path(args.path), pictures.state_machines()
    if args.check:
        if not path.is_file() or path.read_text("utf-8") != page:
            raise CommandError(f"{path} is stale: run raphus docs")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, "utf-8")
    print(f"{path} is written")


def _version(_settings: Settings, args: Namespace) -> None:
    number = metadata.version("raphus")
    if args.json:
        told = {"raphus": number, "python": platform.python_version(), "system": sys.platform}
        print(msgspec.json.encode(told).decode())
    else:
        print(f"raphus {number}")


def _addressed(settings: Settings, args: Namespace) -> Settings:
    given = {name: getattr(args, name, None) for name in ("host", "port")}
    return replace(settings, **{name: value for name, value in given.items() if value is not None})
