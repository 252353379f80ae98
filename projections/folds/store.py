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
from postgres.prepared import execute

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from psycopg import Connection

_SELECT: Final = b"""
    SELECT stream_id, token, version, open, CASE WHEN token <> ALL ($4::uuid[]) THEN fold END
    FROM raphus.folds WHERE stream_id = ANY ($1::text[]) AND release = $2 AND position <= $3
"""
_WRITE: Final = b"""
    INSERT INTO raphus.folds AS f (stream_id, token, release, version, position, open, fold)
    SELECT stream_id, token, $7, version, position, open::bigint[], fold
    FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::bigint[], $5::text[], $6::bytea[])
        AS new (stream_id, token, version, position, open, fold)
    ON CONFLICT (stream_id) DO UPDATE SET token = excluded.token, release = excluded.release,
        version = excluded.version, position = excluded.position, open = excluded.open,
        fold = excluded.fold
"""
_NEXT: Final = b"""
    SELECT stream_id, token, version, position, open, fold FROM raphus.folds
    WHERE release = $1 AND position <= $2 AND stream_id > $3 ORDER BY stream_id LIMIT $4
"""
_DELETE: Final = b"DELETE FROM raphus.folds WHERE stream_id = ANY ($1::text[])"


class StoredFold(NamedTuple):
    """What the events of a stream up to a version add up to, but for those that are open.

    `position` is where the one with the version stands in the log; by its `token` a copy is known.
    """

    stream_id: str
    token: UUID
    version: int
    position: int
    open: list[int]
    fold: bytes


class Found(NamedTuple):
    """A stored fold that was looked for; it is not read where its token is known."""

    token: UUID
    version: int
    open: list[int]
    fold: bytes | None


def find(
    conn: Connection[Any], streams: Iterable[str], until: int, known: Sequence[UUID]
) -> dict[str, Found]:
    """Return what this release has stored of streams, of events up to a position."""
    parameters = [TextArray(streams), release(), until, list(known)]
    found = execute(conn, _SELECT, parameters)
    return {stream_id: Found(*columns) for stream_id, *columns in found}


def next_few(conn: Connection[Any], until: int, after: str, count: int) -> list[StoredFold]:
    """Return what this release has stored of events up to a position, so many behind a stream."""
    found = execute(conn, _NEXT, [release(), until, after, count])
    return [StoredFold(*columns) for columns in found]


def write(conn: Connection[Any], folds: Sequence[StoredFold]) -> None:
    """Store folds, in place of those of their streams, in the caller's transaction."""
    stream_ids, tokens, versions, positions, opens, written = zip(*folds, strict=True)
    # An array of arrays would have to be of equal ones.
    texts = TextArray(f"{{{','.join(map(str, versions))}}}" for versions in opens)
    numbers = [[*tokens], [*versions], [*positions]]
    execute(conn, _WRITE, [TextArray(stream_ids), *numbers, texts, BytesArray(written), release()])


def delete(conn: Connection[Any], streams: Iterable[str]) -> None:
    """Forget what is stored of streams, in the caller's transaction."""
    execute(conn, _DELETE, [TextArray(streams)])


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
