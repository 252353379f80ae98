"""Arrays that are encoded at once are those that psycopg makes of lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postgres.arrays import BytesArray, TextArray
from postgres.prepared import execute

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=50)


@pytest.fixture
def conn(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as conn:
        yield conn


@given(texts=st.lists(TEXTS), blobs=st.lists(st.binary(max_size=50)))
def test_they_arrive_as_they_were_sent(
    conn: psycopg.Connection, texts: list[str], blobs: list[bytes]
) -> None:
    given = [TextArray(texts), BytesArray(blobs)]
    ((sent, sent_blobs),) = execute(conn, b"SELECT $1, $2", given)
    assert (sent, sent_blobs) == (texts, blobs)
    placed = conn.execute(
        "SELECT %s::text[] = %s, %s::bytea[] = %b", [texts, given[0], blobs, given[1]]
    )
    assert placed.fetchall() == [(True, True)]


def test_the_type_is_known_by_itself(conn: psycopg.Connection) -> None:
    ((types,),) = execute(
        conn,
        b"SELECT ARRAY[pg_typeof($1)::text, pg_typeof($2)::text]",
        [TextArray(), BytesArray()],
    )
    assert types == ["text[]", "bytea[]"]
