"""Everything exported into a folder: what it lacks, and what has changed since the last time.

A run is of one moment of the database. What it writes counts file by file, so one that is killed
is gone on with: the next run compares with all that counts. Readers are told by the manifest alone,
which is written when a run has ended; nothing that it names goes away before there is a newer one.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from psycopg.types.json import set_json_loads

from api.exports.formats import FORMATS
from api.exports.warehouse.comparing import compare
from api.exports.warehouse.log import ERASURES_TO, EVENTS_TO, follow
from api.exports.warehouse.manifest import NAME, Manifest, listed
from api.exports.warehouse.state import LAYOUT, ExportError, opened
from api.exports.warehouse.state import NAME as STATE
from api.exports.warehouse.tables import COMPARED, ERASURES, EVENTS
from api.exports.warehouse.writing import Run
from ledger.backup.new_file import UNFINISHED, replaced_file
from ledger.following.checkpoint import CHECKPOINT, Checkpoint
from ledger.following.pages import hash_at
from ledger.integrity.verify import Head
from postgres.connections import WORKING, connect
from postgres.snapshot import READ_ONLY_SNAPSHOT

if TYPE_CHECKING:
    from pathlib import Path

    from psycopg import Connection

    from api.exports.formats import Format
    from api.exports.warehouse.state import State
    from api.exports.warehouse.tables import Table
    from telemetry.progress import Progress

DEFAULT: Final[Format] = "jsonl"
_TABLES: Final = (*(one.table for one in COMPARED), EVENTS, ERASURES)
_SETTINGS: Final = (
    "SET LOCAL search_path = raphus; SET LOCAL jit = off; SET LOCAL work_mem = '64MB'"
)
_OURS: Final = re.compile(rf"\d{{6}}-\d{{4,}}\.({'|'.join(FORMATS)})({re.escape(UNFINISHED)})?")
_ANEW: Final = "take another folder, or write all of it --anew"


class Exported(NamedTuple):
    """What a run came to: the manifest, and how many rows it has written into how many files."""

    manifest: Manifest
    rows: int
    files: int


def export_all(
    conninfo: str, folder: Path, format_: Format | None, progress: Progress, *, anew: bool
) -> Exported:
    """Bring a folder to what the database shows now; `anew`, all of it is written again.

    Without a format it is that of the folder. `progress` is told of each table how many of its
    rows have been looked at.

    Raises:
        ExportError: the folder is something else, of another log or format, or in use.
        ApiError: 501; the format is not available here.
        OSError: it cannot be written. What counts by then stays, and is gone on with.
        psycopg.Error: the database went away; the same.
    """
    _provide(folder)
    with opened(folder) as state, connect(conninfo, WORKING, "raphus-export") as conn:
        _publish(folder, state)
        set_json_loads(msgspec.json.decode, conn)
        with conn.transaction():
            conn.execute(READ_ONLY_SNAPSHOT)
            conn.execute(_SETTINGS)
            head = _head(conn)
            _check(conn, state, head, format_, anew=anew)
            run = _begun(folder, state, head, format_, anew=anew)
            _remove_leftovers(folder, state)
            for compared in COMPARED:
                compare(conn, run, compared, progress)
            follow(conn, run, progress)
        told = _manifest(run, head)
        state.note({"ended": run.number, "manifest": msgspec.json.encode(told).decode()})
        _publish(folder, state)
        mine = [one for one in state.files(run.number) if one.run == run.number]
        return Exported(told, sum(one.rows for one in mine), len(mine))


def _provide(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (folder / STATE).exists() and any(folder.iterdir()):
        raise ExportError(f"{folder} is not empty, and no export: take another folder")


def _head(conn: Connection[Any]) -> Head:
    """Return up to where the log is that the read models show."""
    row = conn.execute(*CHECKPOINT).fetchone()
    return Head(*Checkpoint._make(row)[:2]) if row else Head(0, b"")


def _check(
    conn: Connection[Any], state: State, head: Head, format_: Format | None, *, anew: bool
) -> None:
    """Refuse to go on with what is no export of this log, or in another format."""
    if state.noted("layout") not in {None, LAYOUT}:
        raise ExportError(
            "another release has written this folder, in another layout: take another"
        )
    if anew:
        return
    has, begun_at = state.noted("format"), state.noted("log")
    if format_ is not None and has not in {None, format_}:
        raise ExportError(f"this folder is written as {has}: {_ANEW}")
    if begun_at is None:
        return
    before = Head.parse(begun_at)
    if hash_at(conn, before.position) != before.hash:
        raise ExportError(f"this folder is of another log, or of one that was rewritten: {_ANEW}")
    if head.position < before.position:
        told = f"position {before.position}, which the read models do not show (any more)"
        raise ExportError(f"this folder shows the log up to {told}: wait until they do")


def _begun(folder: Path, state: State, head: Head, format_: Format | None, *, anew: bool) -> Run:
    """Begin a run; what is to be written again counts as not written from here on."""
    number = (state.noted("begun") or 0) + 1
    chosen: Format = format_ or state.noted("format") or DEFAULT
    columns = {f"columns of {one.name}": _columns(one) for one in _TABLES}
    changed = [
        one
        for one, (name, value) in zip(_TABLES, columns.items(), strict=True)
        if anew or state.noted(name) != value
    ]
    begins = {EVENTS: {EVENTS_TO: 0}, ERASURES: {ERASURES_TO: 0}}
    values = {"begun": number, "format": chosen, "layout": LAYOUT, "log": str(head), **columns}
    for table in changed:
        values |= begins.get(table, {})
    state.begin_anew([one.name for one in changed], number, values)
    return Run(folder, chosen, state, number, head.position)


def _columns(table: Table) -> str:
    told = listed(table, 0, ())
    return msgspec.json.encode([told.key, told.columns]).decode()


def _remove_leftovers(folder: Path, state: State) -> None:
    """Remove the files that were not whole, or did not count yet, when a run was killed."""
    counting = state.names()
    for table in _TABLES:
        for file in (folder / table.name).glob("*"):
            if _OURS.fullmatch(file.name) and f"{table.name}/{file.name}" not in counting:
                file.unlink()
    for file in folder.glob(f".{NAME}.*{UNFINISHED}"):
        file.unlink()


def _manifest(run: Run, head: Head) -> Manifest:
    files = run.state.files(run.number)
    rows = {one.name: run.state.rows(one.name) for one in _TABLES}
    rows[EVENTS.name] = run.position
    return Manifest(
        layout=LAYOUT,
        release=metadata.version("raphus"),
        format=run.format,
        run=run.number,
        position=run.position,
        head=str(head),
        exported_at=datetime.now(UTC),
        tables={one.name: listed(one, rows[one.name], files) for one in _TABLES},
    )


def _publish(folder: Path, state: State) -> None:
    """Write the manifest of the last run that has ended, and remove what no manifest names."""
    manifest, ended = state.noted("manifest"), state.noted("ended")
    if manifest is None:
        return
    with replaced_file(folder / NAME) as file:
        file.write(manifest.encode())
    for name in state.obsolete(ended):
        (folder / name).unlink(missing_ok=True)
    state.drop_obsolete(ended)
