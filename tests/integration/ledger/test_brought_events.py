"""Events that come along with a page are those that would have been read of its streams."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
import pytest
from msgspec.structs import replace

from ledger.following.checkpoint import Checkpoint
from ledger.following.pages import FETCH_ROWS, Touched, hash_at, next_page, read
from ledger.mapper import LedgerMapper
from tests.support.connected import connected
from tests.support.histories import said
from tests.support.projected import project, record, simulated
from tests.support.trips import counting_trips
from tests.support.upgrades import LATER, unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from domain.delivery import Delivery
    from ledger.following.pages import Page, Read

SIZES = (1, 2, 5, FETCH_ROWS, FETCH_ROWS + 1, 40)
MAPPER = LedgerMapper()


def told() -> list[Delivery]:
    """A merchant's events, and one thing's, all of which come again with another body."""
    words = ("updated", "on_hold", "renewed")
    of_one = [
        said(f"subscription.{word}", number, f"msg_{number}", subscription_id="sub_1")
        for word in words
        for number in range(9)
    ]
    return [*simulated(6), *of_one]


@pytest.fixture
def conn(database: str) -> Iterator[psycopg.Connection]:
    record(database, told())
    with connected(database, autocommit=True) as conn:
        yield conn


def pages(conn: psycopg.Connection, sizes: Sequence[int]) -> Iterator[Page]:
    """Take pages of these sizes, over and over, to the end of the log."""
    position, number = 0, 0
    while True:
        after = Checkpoint(position, hash_at(conn, position) or b"", position)
        page = next_page(conn, after, sizes[number % len(sizes)])
        if page is None:
            return
        yield page
        position, number = page.last, number + 1


def both(conn: psycopg.Connection, page: Page, touched: list[Touched]) -> list[list[Read]]:
    """Read with what has come along, and without."""
    found = []
    for one in (page, page._replace(brought={})):
        with closing(read(conn, one, MAPPER, touched)) as streams:
            found.append(sorted(streams, key=lambda stream: stream.stream_id))
    return found


def behind(page: Page, found: list[Read]) -> list[Touched]:
    """Of whole streams, what is asked for by whom all before the page is known."""
    known = {
        one.stream_id: sum((event.position or 0) <= page.after for event in one.events)
        for one in found
    }
    return [Touched(one, page.versions[one], known[one], known[one]) for one in known]


def test_they_are_those_of_streams_from_their_first_event_and_from_a_known_one(
    conn: psycopg.Connection,
) -> None:
    again = 0
    for page in pages(conn, SIZES):
        came = [event for events in page.brought.values() for event in events]
        assert len(came) >= min(page.events, FETCH_ROWS)
        assert page.brought.keys() <= page.versions.keys()
        with_them, without = both(conn, page, [Touched(*one) for one in page.versions.items()])
        assert with_them == without
        with_them, without = both(conn, page, behind(page, without))
        assert with_them == without
        again += sum(len(one.told_before) for one in with_them) * (page.events <= FETCH_ROWS)
    assert again


def test_they_are_not_read_again(conn: psycopg.Connection) -> None:
    page = next(pages(conn, [2]))
    with counting_trips() as trips:
        whole = [Touched(*one) for one in page.versions.items()]
        assert len([*read(conn, page, MAPPER, whole)]) == len(page.versions)
    assert trips == []


def test_none_come_of_a_stream_in_which_others_are_at_home_or_may_be(database: str) -> None:
    told = simulated(3)
    with unknown(LATER):
        record(database, told)
    with connected(database, autocommit=True) as conn:
        with_notices = [page.has_notices for page in pages(conn, [1])]
        assert [not page.brought for page in pages(conn, [1])] == with_notices
        assert {True, False} == {*with_notices}
        project(database)
        homes = {one for (one,) in conn.execute("SELECT stream_id FROM raphus.homes").fetchall()}
        record(database, [replace(one, webhook_id=f"{one.webhook_id}_again") for one in told])
        later = [*pages(conn, [1])][len(told) :]
    without = [page.versions.keys() <= homes for page in later]
    assert [not page.brought for page in later] == without
    assert {True, False} == {*without}
