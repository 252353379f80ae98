"""Write a list or a report whole into a file, or everything for a warehouse."""

from __future__ import annotations

import stat
import sys
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import msgspec
import psycopg

from api.exports.catalogue import EXPORTS
from api.exports.formats import FORMATS
from api.exports.one_moment import stood_at
from api.exports.walk import parts
from api.exports.warehouse.exporting import export_all
from api.http.scopes import OWNER
from cli.arguments import add_json, add_taken, given
from cli.database import database
from cli.errors import CommandError
from cli.offline_queries import asked as ask
from cli.rendering.progress import shown
from cli.rendering.terminal import console
from ledger.backup.new_file import replaced_file
from postgres.failures import reason_of

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from api.exports.catalogue import Asked
    from api.queries.read_side import ReadSide
    from cli.settings import Settings
    from telemetry.progress import Progress

STANDARD: Final = "-"
PHASE: Final = "export"
_OUTPUT: Final = (
    "a file, which only you can read and which takes the place of one of its name when it is whole;"
    " default: -, standard output"
)

_ALL: Final = (
    "a folder for everything: whole the first time, and then what has changed since; a run that"
    " was killed is gone on with"
)
_FORMAT: Final = "what everything is written as; default: that of the folder, at first jsonl"
_AGAIN: Final = "What was written counts; the same command goes on with it"


class ExportingError(CommandError):
    """The export cannot be written, or not to its end."""


class UsageError(CommandError):
    """It is not said what is to be exported."""

    exit_code = 2


class Written(msgspec.Struct):
    """A file that was written."""

    file: str
    format: str
    rows: int


class WrittenAll(msgspec.Struct):
    """What a run has written into a folder: so many `rows`, in so many new `files`."""

    folder: str
    format: str
    position: int
    run: int
    rows: int
    files: int


def add(command: ArgumentParser) -> None:
    """Take a list with what it takes, and where it is written; or where everything is."""
    command.add_argument("--all", type=Path, metavar="DIR", help=_ALL)
    command.add_argument("--format", choices=FORMATS, help=_FORMAT)
    command.add_argument(
        "--anew", action="store_true", help="write all of it again, and remove what was written"
    )
    add_json(command)
    names = command.add_subparsers(metavar="LIST")
    for name, export in EXPORTS.items():
        parser = names.add_parser(name, help=export.operation.summary)
        parser.description = export.operation.summary
        parser.set_defaults(export=export)
        add_taken(parser, export.reader)
        parser.add_argument("--output", default=STANDARD, metavar="FILE", help=_OUTPUT)
        add_json(parser)


def run(settings: Settings, args: Namespace) -> None:
    """Write what is asked for, and tell of it."""
    if hasattr(args, "export"):
        _export_one(settings, args)
    elif args.all is not None:
        _export_all(settings, args)
    else:
        raise UsageError("say what: a list, of which --help has the names, or --all DIR")


def _export_all(settings: Settings, args: Namespace) -> None:
    try:
        with database(settings) as conninfo, shown(console(stderr=True)) as progress:
            done = export_all(conninfo, args.all, args.format, progress, anew=args.anew)
    except OSError as error:
        problem = f"{args.all} cannot be written: {error.strerror}"
        raise ExportingError(f"{problem}. {_AGAIN}") from error
    except psycopg.Error as error:
        raise ExportingError(f"not all was exported: {reason_of(error)}. {_AGAIN}") from error
    told = WrittenAll(
        str(args.all),
        done.manifest.format,
        done.manifest.position,
        done.manifest.run,
        done.rows,
        done.files,
    )
    text = (
        f"{told.folder} shows the log up to position {told.position}:"
        f" {told.rows} rows are new, in {told.files} files"
    )
    print(msgspec.json.encode(told).decode() if args.json else text)


def _export_one(settings: Settings, args: Namespace) -> None:
    asked: Asked = args.export.asked(given(args, args.export.reader))
    with _written(args.output) as file, shown(console(stderr=True)) as progress:
        if asked.format == "parquet" and file.isatty():
            raise UsageError("Parquet is not for a terminal: name a file, or pipe it on")
        rows = ask(settings, lambda read_side: _write(read_side, asked, file, progress), progress)
    # Where the file itself is the output, this is not to be part of it.
    told_to = sys.stderr if args.output == STANDARD else sys.stdout
    told = Written(args.output, asked.format, rows)
    text = f"exported {rows} rows to {args.output}"
    print(msgspec.json.encode(told).decode() if args.json else text, file=told_to)


async def _write(read_side: ReadSide, asked: Asked, file: IO[bytes], progress: Progress) -> int:
    """Write the file; return how many rows it has."""
    rows = 0
    known_position = await stood_at(read_side, getattr(asked.query, "known_at", None))
    async with aclosing(parts(read_side, OWNER, asked, known_position)) as made:
        async for data, rows, about_rows in made:
            file.write(data)
            progress(f"{PHASE} {asked.export.name}", rows, about_rows)
    return rows


@contextmanager
def _written(name: str) -> Iterator[IO[bytes]]:
    """Yield what is written to: standard output, or a file that appears when it is whole."""
    if name == STANDARD:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(name).resolve()
    try:
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            with path.open("wb") as file:  # a pipe with a name, say
                yield file
        else:
            with replaced_file(path) as file:
                yield file
    except OSError as error:
        raise ExportingError(f"{name} cannot be written: {error.strerror}") from error
