"""The command line: `raphus` and its commands.

Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 130 interrupted.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, Final

from api import cli_commands as commands
from api import logs
from api.cli_arguments import count, head, parameter, port, read_model, share
from api.conninfo import UnreachableError
from api.demo import DemoError
from api.embedded import EmbeddedPostgresError
from api.events import AFTER, AGGREGATE, TYPE
from api.pages import LIMIT
from api.rebuilding import NAMES, RebuildingError
from api.serve import AddressError, StartError
from api.settings import Settings, SettingsError
from api.verifying import VerifyingError
from migrations.runner import MigrationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

OK, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130
_EXPECTED: Final = (
    AddressError,
    DemoError,
    EmbeddedPostgresError,
    MigrationError,
    RebuildingError,
    VerifyingError,
    VerifyingError,
    StartError,
    UnreachableError,
    commands.CommandError,
)
_SETTINGS: Final = """\
environment:
  DODO_PAYMENTS_WEBHOOK_KEY  signing secret of the webhooks (whsec_…); several with commas between
  RAPHUS_API_KEY             key for reading; without it only this machine is answered
  DATABASE_URL               your PostgreSQL; without it one is run in RAPHUS_HOME
  RAPHUS_HOME                where the embedded database lives (default: the user's data directory)
  HOST, PORT                 where to listen (default: 127.0.0.1 and 8000)
The first three may be given as NAME_FILE instead: the path of a file that holds the value.

exit codes: 0 done, 1 failed, 2 wrong usage or settings, 130 interrupted
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    args = _parser().parse_args(argv)
    logs.set_up(logging.INFO if args.command == "serve" else logging.WARNING)
    try:
        settings = Settings.read(os.environ)
        run: Callable[[Settings, argparse.Namespace], None] = args.run
        run(settings, args)
        sys.stdout.flush()  # here, where a reader that has gone is no surprise
    except SettingsError as error:
        return _fail(error, MISUSED)
    except _EXPECTED as error:
        return _fail(error, FAILED)
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except KeyboardInterrupt:
        return INTERRUPTED
    return OK


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    # So that SIGTERM, like Ctrl-C, unwinds the stack and stops what was started.
    raise KeyboardInterrupt


def _fail(error: Exception, code: int) -> int:
    print(f"raphus: {error}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="raphus",
        description="Keeps what Dodo Payments says happened, and says what is true.",
        epilog=_SETTINGS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(
        name: str, run: Callable[[Settings, argparse.Namespace], None], help_: str
    ) -> argparse.ArgumentParser:
        made = kinds.add_parser(name, help=help_, description=f"{help_[0].upper()}{help_[1:]}.")
        made.set_defaults(run=run)
        return made

    serve = command("serve", commands.serve, "take webhooks and answer questions")
    _add_port(serve)
    serve.add_argument("--host", help="instead of HOST")
    demo = command("demo", commands.demo, "run everything with a simulated merchant, and stay up")
    _add_port(demo)
    _add_play(demo, customers=150, lost=0.03)
    demo.add_argument("--exit", action="store_true", help="end after showing what there is")
    simulate = command("simulate", commands.simulate, "post a simulated merchant's webhooks")
    simulate.add_argument("--to", required=True, metavar="URL", help="a server's webhook address")
    _add_play(simulate, customers=150, lost=0.0)
    _add_json(simulate)
    _add_json(command("migrate", commands.migrate, "bring the database's tables up to date"))
    events = command("events", commands.events, "list the log, oldest first")
    for declared, name in ((TYPE, "type"), (AGGREGATE, "aggregate-id"), (AFTER, "after")):
        events.add_argument(f"--{name}", type=parameter(declared), help=declared.description)
    events.add_argument("--limit", type=parameter(LIMIT), default=LIMIT.default, help="at the most")
    _add_json(events)
    rebuild = command("rebuild", commands.rebuild, "write read models anew from history")
    rebuild.add_argument(
        "names", nargs="*", type=read_model, metavar="NAME", help=f"of {', '.join(NAMES)}; else all"
    )
    rebuild.add_argument("--check", action="store_true", help="only compare; 1 if they differ")
    _add_json(rebuild)
    verify = command("verify", commands.verify, "prove that history is whole")
    verify.add_argument("--head", action="store_true", help="only print the head, to be kept")
    verify.add_argument("--against", type=head, metavar="HEAD", help="a head kept from before")
    verify.add_argument("--signatures", action="store_true", help="check every signature again")
    _add_json(verify)
    docs = command("docs", commands.docs, "write docs/state-machines.md from the tables")
    docs.add_argument("--write", action="store_true", help="the default")
    docs.add_argument("--check", action="store_true", help="only fail if the file is stale")
    docs.add_argument("--path", default="docs/state-machines.md", help="default: %(default)s")
    _add_json(command("version", commands.version, "print the version"))
    return parser


def _add_port(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=port, help="instead of PORT; 0 takes a free one")


def _add_play(parser: argparse.ArgumentParser, customers: int, lost: float) -> None:
    parser.add_argument("--customers", type=count, default=customers, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="chooses the histories; default: 1")
    parser.add_argument(
        "--lost",
        type=share,
        default=lost,
        help="share that never comes, 0 to 1; default: %(default)s",
    )


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


if __name__ == "__main__":
    sys.exit(main())
