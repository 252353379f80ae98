"""Write read models anew from history."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec
import psycopg

from cli.arguments import add_json
from cli.database import database
from cli.errors import CommandError
from cli.kept_results import keep_result
from cli.rendering.progress import shown
from cli.rendering.terminal import console
from ledger.following.pages import LogError
from postgres.failures import reason_of
from projections.read_models.catalogue import READ_MODELS
from projections.rebuild.rebuild import RebuildError, rebuild
from projections.upkeep.findings import of_tables

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from cli.settings import Settings
    from projections.rebuild.rebuild import Rebuilt
    from projections.upkeep.jobs import Kind

NAMES: Final = [model.table for model in READ_MODELS]
"""What a read model is called: as its table in the schema `raphus`."""


class RebuildingError(CommandError):
    """The read models could not be rebuilt, or a check found that they differ."""


def add(command: ArgumentParser) -> None:
    """Take the read models."""
    names = f"of {', '.join(NAMES)}; else all"
    command.add_argument("names", nargs="*", type=_name, metavar="NAME", help=names)
    command.add_argument("--check", action="store_true", help="only compare; 1 if they differ")
    add_json(command)


def run(settings: Settings, args: Namespace) -> None:
    """Rebuild them, or only compare."""
    report = rebuilt(settings, args.names, console(stderr=True), check=args.check)
    print(as_json(report) if args.json else "\n".join(as_text(report)))
    if args.check and not report.equal:
        raise CommandError(
            "the read models differ from history: run raphus rebuild, which writes them anew. After"
            " an upgrade that is due once; at any other time something else has written to them"
        )


def rebuilt(settings: Settings, names: Sequence[str], console: Console, *, check: bool) -> Rebuilt:
    """Rebuild the read models of these names, all where there are none, and show the progress.

    Raises:
        RebuildingError: it cannot be done; nothing has changed. The message tells why.
    """
    models = [model for model in READ_MODELS if not names or model.table in names]
    try:
        with database(settings) as conninfo, shown(console) as progress:
            began_at = datetime.now(UTC)
            found = rebuild(conninfo, models, check=check, progress=progress)
            if not names:  # the rest may differ all the same
                kind: Kind = "rebuild_check" if check else "rebuild"
                keep_result(conninfo, kind, began_at, of_tables(found, check=check))
            return found
    except (RebuildError, LogError) as error:
        raise RebuildingError(f"nothing has changed: {error}") from error
    except psycopg.Error as error:
        raise RebuildingError(f"nothing has changed: {reason_of(error)}") from error


def as_json(found: Rebuilt) -> str:
    """Write what was found as one JSON object."""
    tables = {
        difference.table: {"rows": difference.rows, "equal": difference.none}
        | {way: rows._asdict() for way, rows in difference.ways.items()}
        for difference in found.differences
    }
    whole = {"position": str(found.position), "equal": found.equal, "tables": tables}
    return msgspec.json.encode(whole).decode()


def as_text(found: Rebuilt) -> Iterator[str]:
    """Write what was found, a line a table, and the keys of examples below it."""
    for difference in found.differences:
        ways = difference.ways
        counts = ", ".join(f"{rows.rows} {way}" for way, rows in ways.items() if rows.rows)
        yield f"{difference.table}: {difference.rows} rows, {counts or 'equal'}"
        for way, rows in ways.items():
            more = ["…"] if rows.rows > len(rows.examples) else []
            if rows.rows:
                yield f"  {way}: {', '.join(rows.examples + more)}"


def _name(value: str) -> str:
    if value not in NAMES:
        raise ArgumentTypeError(f"must be one of {', '.join(NAMES)}")
    return value
