"""Take all that Dodo's API has into the log."""

# ruff: noqa: N999 -- the module is named as the command is

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import psycopg

from cli.arguments import add_json
from cli.database import database
from cli.errors import CommandError
from cli.rendering.progress import shown
from cli.rendering.terminal import console
from cli.sources import add_business, source_of
from dodo.errors import DodoError
from ledger.following.catching_up import BehindError
from postgres.failures import reason_of
from reconciliation.import_state import ImportState
from reconciliation.importing import import_all
from reconciliation.observing import UnrecordedError
from reconciliation.session import opened

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from rich.console import Console

    from cli.settings import Settings
    from reconciliation.importing import Counts

_GO_ON = "What was read until now is kept: raphus import goes on from there"


class ImportingError(CommandError):
    """The import did not come to its end."""

    def __init__(self, problem: str, exit_code: int = 1) -> None:
        super().__init__(f"{problem}. {_GO_ON}")
        self.exit_code = exit_code


def add(command: ArgumentParser) -> None:
    """Take what is to be read."""
    command.add_argument(
        "--no-details",
        action="store_true",
        help="only lists, which have the state of everything; not each object by itself",
    )
    add_business(command)
    add_json(command)


def run(settings: Settings, args: Namespace) -> None:
    """Import, or go on with an import, and tell how much was read and how much of it was new."""
    counts = imported(settings, args, console(stderr=True))
    if args.json:
        told = {name: count._asdict() for name, count in counts.items()}
        print(msgspec.json.encode(told).decode())
        return
    for name, count in counts.items():
        print(f"{count.objects:>9,}  {name}, {count.news:,} of them with something new")


def imported(settings: Settings, args: Namespace, console: Console) -> dict[str, Counts]:
    """Import what the settings' key reads, and show the progress.

    Raises:
        SettingsError: there is no key.
        DodoError, AccountError, BusyError: it cannot begin.
        ImportingError: it cannot go on.
    """
    source = source_of(settings)
    with (
        database(settings) as conninfo,
        shown(console) as progress,
        opened(conninfo, source, business_id=args.business) as session,
    ):
        state = ImportState(session.conn, session.taker.account, progress)
        try:
            return dict(import_all(session, state, with_details=not args.no_details))
        except (DodoError, BehindError, UnrecordedError) as error:
            raise ImportingError(str(error), error.exit_code) from error
        except psycopg.Error as error:
            raise ImportingError(reason_of(error)) from error
