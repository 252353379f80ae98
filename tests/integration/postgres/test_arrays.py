"""Arrays that are encoded at once are those that psycopg makes of lists."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postgres.arrays import BytesArray, InstantArray, IntegerArray, TextArray
from postgres.prepared import execute
from tests.support.connected import connected

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=50)

INTEGERS = st.integers(-(2**63), 2**63 - 1)
INSTANTS = st.datetimes(timezones=st.just(UTC))


@pytest.fixture
def conn(database: str) -> Iterator[psycopg.Connection]:
    with connected(database, autocommit=True) as conn:
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


@given(integers=st.lists(INTEGERS), instants=st.lists(INSTANTS))
def test_so_do_integers_and_instants(
    conn: psycopg.Connection, integers: list[int], instants: list[datetime]
) -> None:
    given = [IntegerArray(integers), InstantArray(instants)]
    ((sent, sent_instants),) = execute(conn, b"SELECT $1, $2", given)
    assert (sent, sent_instants) == (integers, instants)
    placed = conn.execute(
        "SELECT %s::bigint[] = %b, %s::timestamptz[] = %b", [integers, given[0], instants, given[1]]
    )
    assert placed.fetchall() == [(True, True)]


def test_the_type_is_known_by_itself(conn: psycopg.Connection) -> None:
    given = [TextArray(), BytesArray(), IntegerArray(), InstantArray()]
    types = ", ".join(f"pg_typeof(${place})::text" for place in range(1, len(given) + 1))
    ((found,),) = execute(conn, f"SELECT ARRAY[{types}]".encode(), given)
    assert found == ["text[]", "bytea[]", "bigint[]", "timestamp with time zone[]"]
