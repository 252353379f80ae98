"""The parser: what can be typed behind `raphus`, by topic."""

from __future__ import annotations

import argparse
from typing import Final

from cli.arguments import Commands
from cli.commands import backup, history, restore, running, windmill
from cli.commands import queries as asking

TOPICS: Final = (running, asking, history, backup, restore, windmill)
"""Each adds its commands; a new group of commands is a module here."""
_SETTINGS: Final = """\
environment:
  DODO_PAYMENTS_WEBHOOK_KEY  signing secret of the webhooks (whsec_…); several with commas between
  RAPHUS_API_KEY             key for reading over HTTP; without it one is made, in RAPHUS_HOME
  DATABASE_URL               your PostgreSQL; without it one is run in RAPHUS_HOME
  RAPHUS_HOME                where database and key are kept (default: the user's data directory)
  HOST, PORT                 where to listen (default: 127.0.0.1 and 8000)
  WINDMILL_BASE_URL          your Windmill, such as https://app.windmill.dev
  WINDMILL_WORKSPACE         the workspace in which jobs are started
  WINDMILL_TOKEN             a token that may start them
  WINDMILL_ROUTES            the file of routes (default: windmill.toml where the server starts)
Secrets may be given as NAME_FILE instead: the path of a file that holds the value. That goes for
DODO_PAYMENTS_WEBHOOK_KEY, RAPHUS_API_KEY, DATABASE_URL and WINDMILL_TOKEN.

exit codes: 0 done, 1 failed, 2 wrong usage or settings, 130 interrupted
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser; what it parses has `command`, and `run`, which does it."""
    whole = argparse.ArgumentParser(
        prog="raphus",
        description="Keeps what Dodo Payments says happened, and says what is true.",
        epilog=_SETTINGS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = Commands(whole.add_subparsers(dest="command", required=True, metavar="COMMAND"))
    for topic in TOPICS:
        topic.add(commands)
    return whole
