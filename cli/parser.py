"""What can be typed behind `raphus`, found in the modules of `cli.commands`."""

from __future__ import annotations

import argparse
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Final

from cli import commands

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import ModuleType

_SETTINGS: Final = """\
environment:
  DODO_PAYMENTS_WEBHOOK_KEY  signing secret of the webhooks (whsec_…); several with commas between
  DODO_PAYMENTS_API_KEY      a key of Dodo's API that may read; without it Dodo is not asked
  DODO_PAYMENTS_ENVIRONMENT  where that key belongs: test_mode or live_mode
  RAPHUS_DODO_REQUESTS_PER_MINUTE  how often Dodo's API is asked at the most (default: 120)
  RAPHUS_RECONCILE_EVERY_S   how often the server asks what was lost (default: 21600; 0: never)
  RAPHUS_API_KEY             key for reading over HTTP; without it one is made, in RAPHUS_HOME
  DATABASE_URL               your PostgreSQL; without it one is run in RAPHUS_HOME
  RAPHUS_HOME                where database and key are kept (default: the user's data directory)
  HOST, PORT                 where to listen (default: 127.0.0.1 and 8000)
  RAPHUS_WORKERS             processes that take requests (default: by cores and memory; 0: one
                             process does everything)
  RAPHUS_ROUTES              the file of routes (default: routes.toml where the command starts)
  RAPHUS_POLICY              the policy of access (default: raphus.toml where the command starts)
  WINDMILL_BASE_URL          your Windmill, such as https://app.windmill.dev
  WINDMILL_WORKSPACE         the workspace in which jobs are started
  WINDMILL_TOKEN             a token that may start them
Secrets may be given as NAME_FILE instead: the path of a file that holds the value. That goes for
DODO_PAYMENTS_WEBHOOK_KEY, DODO_PAYMENTS_API_KEY, RAPHUS_API_KEY, DATABASE_URL, WINDMILL_TOKEN.

exit codes: 0 done, 1 failed, 2 wrong usage or settings, 130 interrupted
"""


def parser(argv: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Return the parser; what it parses has `run`, which does it.

    Only the command that `argv` names is loaded: another one's modules are none of its business,
    and would cost it most of its time.
    """
    whole = argparse.ArgumentParser(
        prog="raphus",
        description="Keeps what Dodo Payments says happened, and says what is true.",
        epilog=_SETTINGS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_commands(whole, commands, argv)
    return whole


def _add_commands(
    parser: argparse.ArgumentParser, package: ModuleType, argv: Sequence[str]
) -> None:
    """Add the commands of a package: a module is a command, a package a group of them."""
    added = parser.add_subparsers(required=True, metavar="COMMAND")
    names = [module.name for module in iter_modules(package.__path__)]
    for name in _chosen(names, argv):
        module = import_module(f"{package.__name__}.{name}")
        help_ = (module.__doc__ or "").partition("\n")[0].rstrip(".")
        command = added.add_parser(
            name, help=f"{help_[0].lower()}{help_[1:]}", description=f"{help_}."
        )
        if hasattr(module, "__path__"):
            _add_commands(command, module, argv[1:])
        else:
            command.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)
            command.set_defaults(run=module.run)
            module.add(command)


def _chosen(names: Sequence[str], argv: Sequence[str]) -> Iterable[str]:
    return argv[:1] if argv and argv[0] in names else names
