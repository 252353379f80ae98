"""Write the log, and all else that cannot be built anew, into a file."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import msgspec
import psycopg

from cli.arguments import add_json
from cli.database import database
from cli.errors import CommandError
from cli.rendering.progress import shown
from cli.rendering.terminal import console
from ledger.backup.archive import BackupError
from ledger.backup.dump import dump
from ledger.backup.new_file import new_file
from ledger.integrity.verify import Head
from postgres.failures import full_reason_of

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from cli.settings import Settings

STANDARD: Final = "-"
_FILE: Final = "a new file, which only you can read; - for standard output"


def add(command: ArgumentParser) -> None:
    """Take the file."""
    command.add_argument("file", metavar="FILE", help=_FILE)
    add_json(command)


def run(settings: Settings, args: Namespace) -> None:
    """Write the backup, while a server may run, and tell of what it is."""
    shown_on = console(stderr=True)
    try:
        with (
            _written(args.file) as file,
            database(settings, migrate=False) as conninfo,
            shown(shown_on) as progress,
        ):
            header = dump(conninfo, file, progress)
    except psycopg.Error as error:
        raise BackupError(f"nothing is backed up: {full_reason_of(error)}") from error
    head = Head.parse(header.head)
    told = {"file": args.file, "events": head.position, "head": header.head}
    text = f"backed up {head.position} events to {args.file}\nhead: {header.head}"
    # Where the backup itself is the output, this is not to be part of it.
    told_to = sys.stderr if args.file == STANDARD else sys.stdout
    print(msgspec.json.encode(told).decode() if args.json else text, file=told_to)


@contextmanager
def _written(name: str) -> Iterator[IO[bytes]]:
    if name != STANDARD:
        with new_file(Path(name)) as file:
            yield file
        return
    if sys.stdout.isatty():
        raise CommandError("a backup is not for a terminal: name a file, or pipe it on")
    try:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    except OSError as error:  # a reader that has gone is one too, and no matter of course here
        # So that what is left of it is not tried again at the end of the process.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise BackupError(f"the backup is not whole: {error.strerror}") from error
