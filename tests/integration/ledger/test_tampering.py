"""Tampering: every way to do it is found, named, and found at the first row where it shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from ledger.application import Ledger
from ledger.integrity.hash_chain import Row, link
from ledger.integrity.verify import verify
from tests.support.connected import connected
from tests.support.log import lines
from tests.support.tampered import (
    EVENTS,
    PLACE,
    STREAMS,
    Value,
    assign,
    changed,
    fault,
    hashes_swapped,
    inserted,
    read,
    rechain,
    record,
    removed,
    renumbered,
    shifted,
    swapped,
    tamper,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

SET = "UPDATE raphus.ledger_events SET"


@pytest.fixture(scope="module")
def recorded(cluster: str, template: str) -> Iterator[str]:
    """Make a database with a log of four batches, in four streams, and a copy of it."""
    name = Identifier("verified")
    with connected(cluster, autocommit=True) as conn:
        conn.execute(
            SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                name, Identifier(template)
            )
        )
        conninfo = make_conninfo(cluster, dbname="verified")
        with Ledger(conninfo) as ledger:
            record(ledger)
        tamper(conninfo, "CREATE TABLE untouched AS TABLE raphus.ledger_events;")
        yield conninfo
        conn.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@pytest.fixture
def log(recorded: str) -> Iterator[str]:
    """Give the log, and put it back as it was when the test has had its way with it."""
    yield recorded
    tamper(
        recorded,
        "TRUNCATE raphus.ledger_events;"
        "INSERT INTO raphus.ledger_events SELECT * FROM untouched ORDER BY notification_id;",
    )


@pytest.mark.parametrize(
    ("assignment", "problem"),
    [
        ("originator_id = 'subscription/bus_1/another'", "its originator_id was changed"),
        ("originator_version = 77", "its originator_version was changed"),
        ("topic = 'subscription.cancelled'", "its topic was changed"),
        ("state = set_byte(state, 150, 33)", "the row was changed (its state, "),
        ("notification_id = 1000", "its row stands at position 1000: its position was changed"),
        ("webhook_id = 'msg_another'", "its webhook_id was changed"),
        ("recorded_at = recorded_at + '1 microsecond'", "its recorded_at was changed"),
        ("hash = set_byte(hash, 31, get_byte(hash, 31) # 1)", "its hash was changed"),
        ("topic = NULL", "its topic was changed"),
        ("state = ''", "the row was changed (its state, "),
        ("hash = ''", "its hash was changed"),
        ("recorded_at = 'infinity'", "its recorded_at was changed"),
        ("recorded_at = '0044-03-15 BC'", "its recorded_at was changed"),
        ("topic = repeat('x', 70000)", "its topic was changed"),
        ("topic = 'a', webhook_id = 'b'", "the row was changed (its state, "),
        ("topic = 'a', hash = ''", "the row was replaced"),
    ],
)
def test_a_changed_column_is_named_where_its_true_value_can_be_told(
    log: str, assignment: str, problem: str
) -> None:
    tamper(log, changed(assignment))
    found = fault(log)
    assert (found.position, found.problem[: len(problem)]) == (PLACE, problem)


@pytest.mark.parametrize(
    ("statements", "position", "problem"),
    [
        (removed(23, 24), 23, "1 row was removed, up to position 23"),
        (removed(1, 2), 1, "1 row was removed, up to position 1"),
        (removed(7, 31), 7, "24 rows were removed, up to position 30"),
        (removed(23, 26) + shifted(26, -3), 23, "3 rows were removed here, and those behind"),
        (shifted(23, 1) + inserted(23), 23, "1 row was inserted here"),
        (shifted(60, 1) + inserted(60), 60, "1 row was inserted here"),
        (shifted(23, 2) + inserted(23) + inserted(24), 23, "2 rows were inserted here"),
        (inserted(61), 61, "the last row was changed, or added by another hand"),
        (inserted(99), 61, "38 rows were removed, up to position 98"),
        (inserted(0), 0, "it stands before position 1: "),
        (changed("notification_id = -5"), -5, "it stands before position 1: "),
        (changed("notification_id = 99", 60), 60, "its row stands at position 99: its position"),
        (changed("recorded_at = '2026-05-01'", 16), 16, "its recorded_at was changed"),
        (changed("recorded_at = '2026-05-01'", 30), 30, "its recorded_at was changed"),
        (swapped(23, 24), 23, "this row and the one at position 24 have changed places"),
        (swapped(1, 60), 1, "this row and the one at position 60 have changed places"),
        (
            swapped(23, 24) + hashes_swapped(23, 24),
            23,
            "this row and the one at position 24 have changed places",
        ),
        (
            swapped(9, 41) + hashes_swapped(9, 41),
            9,
            "this row and the one at position 41 have changed places",
        ),
        # 23 to 40, and 24 to 40 one up.
        (
            changed("notification_id = 1000")
            + renumbered("notification_id - 1", "notification_id > 23 AND notification_id <= 40")
            + changed("notification_id = 40", 1000),
            23,
            "its row was moved to position 40, and those between moved up: reordered",
        ),
        # 40 to 23, and 23 to 39 one down.
        (
            changed("notification_id = 1000", 40)
            + renumbered("notification_id + 1", "notification_id >= 23 AND notification_id < 40")
            + changed("notification_id = 23", 1000),
            23,
            "1 row was inserted here, or moved here from further on",
        ),
        # The other way round, all of them.
        (
            renumbered("83 - notification_id", "notification_id BETWEEN 23 AND 60"),
            23,
            "37 rows were inserted here, or moved here from further on",
        ),
        # 23 to 24, 24 to 25 and 25 to 23.
        (
            renumbered("23 + (notification_id - 22) % 3", "notification_id BETWEEN 23 AND 25"),
            23,
            "1 row was inserted here, or moved here from further on",
        ),
        # 23 to 25, 25 to 26 and 26 to 23.
        (
            renumbered(
                "CASE notification_id WHEN 23 THEN 25 WHEN 25 THEN 26 ELSE 23 END",
                "notification_id IN (23, 25, 26)",
            ),
            23,
            "the row that belongs here stands at position 25: reordered",
        ),
    ],
)
def test_removed_inserted_and_reordered_rows_are_told_apart(
    log: str, statements: str, position: int, problem: str
) -> None:
    tamper(log, statements)
    found = fault(log)
    assert (found.position, found.problem[: len(problem)]) == (position, problem)


@pytest.mark.parametrize("order", ["ASC", "DESC"])
def test_two_rows_with_one_position_are_found_where_the_index_is_gone(
    database: str, ledger: Ledger, order: str
) -> None:
    record(ledger)
    tamper(
        database,
        "DROP INDEX raphus.ledger_events_notification_id_idx;"
        + inserted(PLACE)
        # Which of the two is read first is the table's order, and must not matter.
        + "CREATE TABLE moved AS TABLE raphus.ledger_events; TRUNCATE raphus.ledger_events;"
        f"INSERT INTO raphus.ledger_events SELECT * FROM moved ORDER BY originator_id {order};",
    )
    found = fault(database)
    assert found.position == PLACE
    assert found.problem == "two rows have this position: one of them was inserted"


@pytest.mark.parametrize(
    ("statements", "problem"),
    [
        ("originator_version = 77", "its version does not continue its stream"),
        ("originator_version = 0", "its version does not continue its stream"),
        ("originator_id = 'subscription/bus_1/b'", "its version does not continue its stream"),
        ("webhook_id = 'msg_another'", "its webhook_id is not its delivery's"),
        ("recorded_at = '2020-01-01'", "its recorded_at is before that of the row before it"),
        (r"state = '\x01'", "its state cannot be decoded"),
        ("state = ''", "its state cannot be decoded"),
        (r"state = '\x03' || substr(state, 2)", "this release cannot read its state"),
    ],
)
def test_what_the_ledger_never_writes_shows_under_new_hashes_too(
    log: str, statements: str, problem: str
) -> None:
    tamper(log, changed(statements))
    rechain(log, PLACE)
    found = fault(log)
    assert (found.position, found.problem[: len(problem)]) == (PLACE, problem)


def test_a_hole_shows_under_new_hashes_too(log: str) -> None:
    tamper(log, removed(PLACE, PLACE + 1))
    rechain(log, 1)
    assert fault(log) == (PLACE, f"1 row was removed, up to position {PLACE}")


def test_versions_out_of_order_in_a_stream_show_under_new_hashes_too(log: str) -> None:
    tamper(log, swapped(PLACE, PLACE + STREAMS))
    tamper(log, f"{SET} recorded_at = '2026-05-01';")
    rechain(log, 1)
    assert fault(log).position == PLACE
    assert "does not continue its stream" in fault(log).problem


def test_another_stream_or_topic_than_today_s_is_no_fault(log: str) -> None:
    tamper(log, f"{SET} originator_id = 'notice/' || originator_id, topic = 'another';")
    rechain(log, 1)
    with connected(log) as conn:
        assert verify(conn).fault is None


def test_a_new_hash_for_the_changed_row_alone_shows_at_the_next(log: str) -> None:
    tamper(log, changed("state = set_byte(state, 150, 33)"))
    forged = lines(log)[PLACE - 1]
    hash_ = link(lines(log)[PLACE - 2].hash, Row(*forged[:7]))
    tamper(log, changed(rf"hash = '\x{hash_.hex()}'"))
    found = fault(log)
    assert found.position == PLACE + 1
    assert found.problem.endswith("or the rows before it were rewritten with new hashes")


def test_the_hour_that_comes_twice_in_autumn_is_no_step_back(log: str) -> None:
    # 02:30 in Berlin, and 40 minutes later 02:10.
    tamper(log, f"{SET} recorded_at = '2026-10-25T00:30Z';")
    tamper(log, f"{SET} recorded_at = '2026-10-25T01:10Z' WHERE notification_id >= {PLACE};")
    rechain(log, 1)
    with connected(log) as conn:
        conn.execute("SET TimeZone = 'Europe/Berlin'")
        conn.commit()
        assert verify(conn).fault is None


_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
_TIMES = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001
_BYTES = st.binary(max_size=40)
_SECOND = timedelta(seconds=1)
_CHANGES = st.one_of(
    st.tuples(st.sampled_from(["originator_id", "topic", "webhook_id"]), _TEXTS),
    st.tuples(st.sampled_from(["state", "hash"]), _BYTES),
    st.tuples(st.just("originator_version"), st.integers(-(2**63), 2**63 - 1)),
    st.tuples(st.just("originator_version"), st.integers(1, 20)),
    st.tuples(st.just("notification_id"), st.integers(-(2**63), 0)),
    st.tuples(st.just("notification_id"), st.integers(EVENTS + 1, 2**63 - 1)),
    st.tuples(st.just("recorded_at"), _TIMES),
    st.tuples(st.just("recorded_at"), st.timedeltas(-_SECOND, _SECOND)),
)


@settings(max_examples=100)
@given(st.integers(1, EVENTS), _CHANGES)
def test_any_change_of_any_column_of_any_row_is_found_at_that_row(
    log: str, position: int, change: tuple[str, Value | timedelta]
) -> None:
    column, value = change
    with connected(log, autocommit=True) as conn:
        true = read(conn, column, position)
        if isinstance(value, timedelta):
            assert isinstance(true, datetime)
            value = true + value
        if value == true or not assign(conn, column, value, position):
            reject()
        now_at = value if column == "notification_id" and isinstance(value, int) else position
        try:
            found = verify(conn).fault
            assert found is not None
            assert found.position == min(now_at, position)
        finally:
            assert assign(conn, column, true, now_at)
