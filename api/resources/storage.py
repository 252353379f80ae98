"""What is kept where, and how much room it takes: the database's tables, and its snapshots."""

from __future__ import annotations

from datetime import datetime
from importlib import metadata
from typing import TYPE_CHECKING, Final

import msgspec

from api.http.operations import Operation
from api.http.questions import Query
from postgres.statement import Statement
from projections.rebuild import snapshots

if TYPE_CHECKING:
    from api.queries.read_side import ReadSide

_DATABASE: Final = Statement(
    "SELECT current_setting('server_version'), (SELECT count(*) FROM raphus.migrations),"
    " pg_database_size(current_database())",
    {},
)
# A table that was dropped just now has no size.
_TABLES: Final = Statement(
    "SELECT relname, greatest(reltuples, 0)::bigint, coalesce(pg_total_relation_size(oid), 0)"
    " FROM pg_class WHERE relnamespace = 'raphus'::regnamespace AND relkind = 'r' ORDER BY relname",
    {},
)


class StoredTable(msgspec.Struct, frozen=True):
    """A table with its indexes; `rows_about` is what PostgreSQL estimates."""

    table: str
    rows_about: int
    bytes: int


class Storage(msgspec.Struct, frozen=True):
    """What runs here, and the room that it takes; the log is the table `ledger_events`."""

    release: str
    postgres: str
    migrations: int
    database_bytes: int
    tables: list[StoredTable]


class Snapshot(msgspec.Struct, frozen=True):
    """The read models as they were known at a position of the log.

    It answers what is asked with a `known_at` from `recorded_at`, when the event there was
    recorded, up to the next event. Whoever asks for another time has another one built; four are
    kept, for an hour after they were used last.
    """

    position: str
    recorded_at: datetime | None
    used_at: datetime
    bytes: int


class Snapshots(msgspec.Struct, frozen=True):
    """The snapshots, the last used first."""

    items: list[Snapshot]


async def _storage(read_side: ReadSide, _query: Query) -> Storage:
    ((postgres, migrations, size),) = await read_side.database.rows(_DATABASE)
    rows = await read_side.database.rows(_TABLES)
    return msgspec.convert(
        {
            "release": metadata.version("raphus"),
            "postgres": str(postgres).split(" ", maxsplit=1)[0],
            "migrations": migrations,
            "database_bytes": size,
            "tables": [dict(zip(StoredTable.__struct_fields__, row, strict=True)) for row in rows],
        },
        Storage,
    )


async def _snapshots(read_side: ReadSide, _query: Query) -> Snapshots:
    rows = await read_side.database.rows(snapshots.KEPT)
    fields = Snapshot.__struct_fields__
    items = [dict(zip(fields, (str(row[0]), *row[1:]), strict=True)) for row in rows]
    return Snapshots(msgspec.convert(items, list[Snapshot]))


GET_STORAGE: Final = Operation["ReadSide", Query, Storage](
    path="/v1/storage",
    name="get_storage",
    summary="Tell which releases run, and how much room the log and each table take.",
    handle=_storage,
    takes=Query,
    answers=Storage,
    of_all=True,
)
LIST_SNAPSHOTS: Final = Operation["ReadSide", Query, Snapshots](
    path="/v1/snapshots",
    name="list_snapshots",
    summary="List the read models of the past that are kept ready for questions with `known_at`.",
    handle=_snapshots,
    takes=Query,
    answers=Snapshots,
    of_all=True,
)
