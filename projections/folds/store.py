"""The table of stored folds: read and written by the release that can go on from them."""

from __future__ import annotations

import sys
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import msgspec

import domain
from postgres.arrays import BytesArray, TextArray
from postgres.prepared import execute, execute_async
from postgres.together import Sent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from psycopg import AsyncConnection, Connection

KEPT_EVENTS: Final = 128
"""Of a stream, one fold each so many events is kept; the longer ago, the fewer."""
_SELECT: Final = b"""
    SELECT stream_id, token, version, open, CASE WHEN token <> ALL ($4::uuid[]) THEN fold END
    FROM raphus.folds WHERE stream_id = ANY ($1::text[]) AND release = $2 AND position <= $3
"""
_EARLIER: Final = b"""
    SELECT late.stream_id, NULL, e.version, e.open, e.fold
    FROM unnest($1::text[], $2::timestamptz[], $3::bigint[])
        AS late (stream_id, begins_at, told_from)
    CROSS JOIN LATERAL (
        SELECT * FROM raphus.earlier_folds AS e
        WHERE e.stream_id = late.stream_id AND e.release = $4 AND e.position <= $5
        AND e.ends_at < late.begins_at AND e.version < late.told_from
        ORDER BY e.version DESC LIMIT 1
    ) AS e
"""
_LAST_BEFORE: Final = b"""
    SELECT asked.stream_id, NULL, f.version, f.open, f.fold
    FROM unnest($1::text[], $2::bigint[]) AS asked (stream_id, position)
    CROSS JOIN LATERAL (
        SELECT * FROM (
            SELECT version, open, fold FROM raphus.folds AS l
            WHERE l.stream_id = asked.stream_id AND l.release = $3 AND l.position <= asked.position
            UNION ALL (
                SELECT version, open, fold FROM raphus.earlier_folds AS e
                WHERE e.stream_id = asked.stream_id AND e.release = $3
                AND e.position <= asked.position
                ORDER BY e.version DESC LIMIT 1
            )
        ) AS either ORDER BY version DESC LIMIT 1
    ) AS f
"""
# Of those kept, at a distance there stays the first of each step, which is a power of 2 and half of
# the distance at the most: what was the first of a step is that of the longer one, or goes.
_WRITE: Final = b"""
    WITH new AS (
        SELECT stream_id, token, version, position, open::bigint[], fold, ends_at, anew_from
        FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::bigint[], $5::text[], $6::bytea[],
            $7::timestamptz[], $8::bigint[])
            AS new (stream_id, token, version, position, open, fold, ends_at, anew_from)
    ), kept AS (
        INSERT INTO raphus.earlier_folds
            (stream_id, version, release, position, ends_at, open, fold)
        SELECT f.stream_id, f.version, f.release, f.position, f.ends_at, f.open, f.fold
        FROM raphus.folds AS f JOIN new USING (stream_id)
        WHERE new.anew_from < 0 AND f.release = $9 AND f.version / $10 < new.version / $10
        AND f.ends_at IS NOT NULL
        ON CONFLICT DO NOTHING
    ), gone AS (
        DELETE FROM raphus.earlier_folds AS e USING new
        WHERE e.stream_id = new.stream_id AND CASE
            WHEN new.anew_from >= 0 THEN e.version > new.anew_from
            ELSE EXISTS (
                SELECT FROM raphus.earlier_folds AS f,
                    greatest($10, (2 ^ floor(log(2, (new.version - e.version) / 2 + 1)))::bigint)
                        AS step
                WHERE f.stream_id = e.stream_id AND f.version < e.version
                AND f.version / step = e.version / step
            )
        END
    )
    INSERT INTO raphus.folds AS f
        (stream_id, token, release, version, position, open, fold, ends_at)
    SELECT stream_id, token, $9, version, position, open, fold, ends_at FROM new
    ON CONFLICT (stream_id) DO UPDATE SET token = excluded.token, release = excluded.release,
        version = excluded.version, position = excluded.position, open = excluded.open,
        fold = excluded.fold, ends_at = excluded.ends_at
"""
_NEXT: Final = b"""
    SELECT stream_id, version, open, fold
    FROM (
        SELECT stream_id, version, open, fold, release, position FROM raphus.folds
        UNION ALL
        SELECT stream_id, version, open, fold, release, position FROM raphus.earlier_folds
    ) AS f
    WHERE release = $1 AND position <= $2 AND (stream_id, version) > ($3, $4)
    ORDER BY stream_id, version LIMIT $5
"""
_DELETE: Final = b"DELETE FROM raphus.folds WHERE stream_id = ANY ($1::text[])"


class StoredFold(NamedTuple):
    """What the events of a stream up to a version add up to, but for those that are open.

    `position` is where the one with the version stands in the log; by its `token` a copy is known.
    `ends_at` is when the last of what the fold stands for occurred. One that is folded `anew_from`
    a version, and not from what is stored, makes that wrong, with the earlier ones behind it.
    """

    stream_id: str
    token: UUID
    version: int
    position: int
    open: list[int]
    fold: bytes
    ends_at: datetime
    anew_from: int | None


class Found(NamedTuple):
    """A stored fold that was looked for; it is not read where its token is known.

    One that is not its stream's last has no token.
    """

    token: UUID | None
    version: int
    open: list[int]
    fold: bytes | None


class Late(NamedTuple):
    """What comes late to a stream: when it begins, and the first version that it tells anew."""

    stream_id: str
    begins_at: datetime
    told_from: int


class Written(NamedTuple):
    """A stored fold as it is compared with what its events add up to."""

    stream_id: str
    version: int
    open: tuple[int, ...]
    fold: bytes


def find(
    conn: Connection[Any], streams: Iterable[str], until: int, known: Sequence[UUID]
) -> dict[str, Found]:
    """Return what this release has stored of streams, of events up to a position."""
    parameters = [TextArray(streams), release(), until, list(known)]
    found = execute(conn, _SELECT, parameters)
    return {stream_id: Found(*columns) for stream_id, *columns in found}


def earlier(conn: Connection[Any], late: Sequence[Late], until: int) -> dict[str, Found]:
    """Return of streams the newest fold, of events up to a position, before what comes late."""
    streams, begin, told = zip(*late, strict=True)
    parameters = [TextArray(streams), [*begin], [*told], release(), until]
    found = execute(conn, _EARLIER, parameters)
    return {stream_id: Found(*columns) for stream_id, *columns in found}


def last_before(conn: Connection[Any], positions: Mapping[str, int]) -> dict[str, Found]:
    """Return of streams the newest fold of events up to a position each."""
    found = execute(conn, _LAST_BEFORE, _asked(positions))
    return {stream_id: Found(*columns) for stream_id, *columns in found}


async def last_before_async(
    conn: AsyncConnection[Any], positions: Mapping[str, int]
) -> dict[str, Found]:
    """Do the same on a connection of an event loop."""
    found = await execute_async(conn, _LAST_BEFORE, _asked(positions))
    return {stream_id: Found(*columns) async for stream_id, *columns in found}


def _asked(positions: Mapping[str, int]) -> list[object]:
    return [TextArray(positions), [*positions.values()], release()]


def next_few(
    conn: Connection[Any], until: int, after: tuple[str, int], count: int
) -> list[Written]:
    """Return what this release has stored of events up to a position, so many behind a place."""
    found = execute(conn, _NEXT, [release(), until, *after, count])
    return [
        Written(stream_id, version, tuple(open_), fold) for stream_id, version, open_, fold in found
    ]


def write(folds: Sequence[StoredFold]) -> Sent:
    """Return what stores folds, in place of those of their streams."""
    stream_ids, tokens, versions, positions, opens, written, ends, anew = zip(*folds, strict=True)
    # An array of arrays would have to be of equal ones.
    texts = TextArray(f"{{{','.join(map(str, versions))}}}" for versions in opens)
    numbers = [[*tokens], [*versions], [*positions]]
    froms = [-1 if one is None else one for one in anew]
    others = [BytesArray(written), [*ends], froms, release(), KEPT_EVENTS]
    return Sent(_WRITE, [TextArray(stream_ids), *numbers, texts, *others])


def delete(streams: Iterable[str]) -> Sent:
    """Return what forgets what is stored of streams."""
    return Sent(_DELETE, [TextArray(streams)])


def delete_all(conn: Connection[Any]) -> None:
    """Forget all that is stored: it is stored anew where streams go on."""
    execute(conn, b"DELETE FROM raphus.folds", [])


@cache
def release() -> str:
    """Return what names all code that a fold follows from, and how it is written.

    It is the hash of the domain's own text: nobody has to think of a number to count up.
    """
    told = blake2b(f"{sys.version_info[:2]} {msgspec.__version__}".encode(), digest_size=16)
    (folder,) = domain.__path__
    for path in sorted(Path(folder).rglob("*.py")):
        told.update(f"\0{path.relative_to(folder)}\0".encode())
        told.update(path.read_bytes())
    return told.hexdigest()
