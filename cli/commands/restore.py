"""Load a backup into a database in which nothing of Raphus is yet."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, NamedTuple

import msgspec
import psycopg

from cli.arguments import add_json
from cli.commands.verify import as_text, told
from cli.database import database, migrated
from cli.errors import CommandError
from cli.rendering.progress import shown
from cli.rendering.terminal import console
from ledger.backup.archive import BackupError, Reader
from ledger.backup.load import load
from ledger.following.checkpoint import ProjectionTracking
from ledger.following.pages import LogError
from ledger.following.taking import PageError
from ledger.integrity.verify import verify
from ledger.mapper import LedgerMapper
from migrations.runner import MigrationError, NotEmptyError
from postgres.connections import WORKING, connect
from postgres.failures import full_reason_of
from projections.live.follower import Follower

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator
    from datetime import datetime

    from cli.settings import Settings
    from ledger.integrity.verify import Verified
    from projections.live.projector import Projected
    from telemetry.progress import Progress

STANDARD: Final = "-"
_RECHAINS: Final = "_content_hashes"
"""How the name of the migration ends that chains the log anew."""
_FILE: Final = "what raphus backup has written; - for standard input"
_ELSEWHERE: Final = (
    "a backup is restored into an empty one only. Set RAPHUS_HOME to a new directory, or"
    " DATABASE_URL to a new database"
)
_JOBS: Final = """
    SELECT state, count(*) FROM raphus.windmill_outbox GROUP BY state ORDER BY state
"""


class _Restored(NamedTuple):
    """What there is after a restore.

    The read models show the log up to the position `shown`; `jobs` counts by state what stands
    in Windmill's outbox.
    """

    made_at: datetime
    verified: Verified
    applied: list[str]
    shown: int
    jobs: dict[str, int]


def add(command: ArgumentParser) -> None:
    """Take the file."""
    command.add_argument("file", metavar="FILE", help=_FILE)
    add_json(command)


def run(settings: Settings, args: Namespace) -> None:
    """Load it, prove the log, and bring the read models to its end."""
    with _opened(args.file) as file:
        archive = Reader(file)
        with (
            database(settings, migrate=False) as conninfo,
            shown(console(stderr=True)) as progress,
        ):
            _load(conninfo, archive, progress)
            restored = _completed(conninfo, archive, progress)
    print(_as_json(restored) if args.json else "\n".join(_as_text(restored)))
    if restored.verified.fault is not None:
        raise CommandError("the log was not whole when it was backed up; it is restored as it was")
    if restored.shown < archive.head.position:
        raise CommandError("the read models are not current: another process follows the log")


def _opened(name: str) -> IO[bytes]:
    try:
        return sys.stdin.buffer if name == STANDARD else Path(name).open("rb")
    except OSError as error:
        raise BackupError(f"{name} cannot be read: {error.strerror}") from error


def _load(conninfo: str, archive: Reader, progress: Progress) -> None:
    try:
        load(conninfo, archive, progress)
    except NotEmptyError as error:
        raise BackupError(f"nothing is restored: {error}; {_ELSEWHERE}") from error
    except (BackupError, MigrationError) as error:
        raise BackupError(f"nothing is restored: {error}") from error
    except psycopg.Error as error:
        raise BackupError(f"nothing is restored: {full_reason_of(error)}") from error


def _completed(conninfo: str, archive: Reader, progress: Progress) -> _Restored:
    """Apply newer migrations, prove the log, and bring the read models to its end.

    Whoever is killed here leaves what a server, or any other command, completes by itself.
    """
    try:
        applied = migrated(conninfo)
        with connect(conninfo, WORKING, "raphus-restore") as conn:
            rechained = any(name.endswith(_RECHAINS) for name in applied)
            verified = verify(
                conn,
                # Its head was of the chain as it was before: the migration has proved that.
                against=None if rechained else archive.head,
                progress=lambda done, total: progress("verify", done, total),
            )
            jobs: dict[str, int] = dict(conn.execute(_JOBS).fetchall())
        followed = _followed(conninfo, archive.head.position, progress, verified)
    except (psycopg.Error, LogError, PageError) as error:
        reason = full_reason_of(error) if isinstance(error, psycopg.Error) else str(error)
        raise BackupError(
            f"the log is restored, but not yet proved or shown: {reason}. raphus verify does the"
            " one, and raphus serve the other"
        ) from error
    return _Restored(archive.header.made_at, verified, applied, followed, jobs)


def _followed(conninfo: str, until: int, progress: Progress, verified: Verified) -> int:
    """Bring the read models to the end of the log; return up to where they show it.

    What was changed in a log may keep them from it: then what is wrong with the log says more.
    """

    def report(page: Projected) -> None:
        progress("follow", page.position, until)

    follower = Follower(conninfo, LedgerMapper(), report)
    try:
        while follower.run_once():
            pass
    except PageError:
        if verified.fault is None:
            raise
    finally:
        follower.stop()
    with connect(conninfo, WORKING, "raphus-restore") as conn:
        return ProjectionTracking().checkpoint(conn).position


def _as_json(restored: _Restored) -> str:
    """Write what there is as one JSON object."""
    return msgspec.json.encode(
        {
            "made_at": restored.made_at,
            "applied": restored.applied,
            **told(restored.verified),
            "projected_position": str(restored.shown),
            "jobs": restored.jobs,
        }
    ).decode()


def _as_text(restored: _Restored) -> Iterator[str]:
    """Write what there is as a person would want to read it."""
    yield f"restored what was backed up at {restored.made_at:%Y-%m-%d %H:%M:%S} UTC"
    yield from (f"applied {name}" for name in restored.applied)
    yield from as_text(restored.verified)
    yield "who was forgotten after that is not: raphus forget has to be run again for each"
    yield f"read models: up to position {restored.shown}"
    jobs = ", ".join(f"{count} {state}" for state, count in restored.jobs.items())
    yield f"Windmill's outbox: {jobs or 'no jobs'}"
