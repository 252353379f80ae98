"""Rebuilding: the command that writes read models anew from history, or only compares them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import psycopg

from cli.database import database
from cli.rendering.progress import shown
from ledger.following.pages import LogError
from projections.read_models.catalogue import READ_MODELS
from projections.rebuild.rebuild import RebuildError, rebuild

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from cli.settings import Settings
    from projections.rebuild.rebuild import Rebuilt

NAMES: Final = [model.table for model in READ_MODELS]
"""What a read model is called: as its table in the schema `raphus`."""


class RebuildingError(Exception):
    """The read models could not be rebuilt, or a check found that they differ."""


def rebuilt(settings: Settings, names: Sequence[str], console: Console, *, check: bool) -> Rebuilt:
    """Rebuild the read models of these names, all where there are none, and show the progress.

    Raises:
        RebuildingError: it cannot be done; nothing has changed. The message tells why.
    """
    models = [model for model in READ_MODELS if not names or model.table in names]
    try:
        with database(settings) as conninfo, shown(console) as progress:
            return rebuild(conninfo, models, check=check, progress=progress)
    except (RebuildError, LogError) as error:
        raise RebuildingError(f"nothing has changed: {error}") from error
    except psycopg.Error as error:
        reason = error.diag.message_primary or "the database is away"
        raise RebuildingError(f"nothing has changed: {reason}") from error


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
