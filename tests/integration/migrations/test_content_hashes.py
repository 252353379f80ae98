"""The migration that chains the log anew: it proves the chain as it was, or changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ledger.following.checkpoint import ProjectionTracking
from ledger.integrity.verify import verify
from migrations.runner import MigrationError, migrate
from tests.support import old_chain
from tests.support.histories import said
from tests.support.log import broken_links, lines
from tests.support.projected import project, shown, simulated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def old(cluster: str, tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """Give a database of before, with a log, and the migrations that are left."""
    with psycopg.connect(cluster, autocommit=True) as conn:
        conn.execute("CREATE DATABASE before TEMPLATE template0 STRATEGY file_copy")
        conninfo = make_conninfo(cluster, dbname="before")
        left = old_chain.migrated(conninfo, tmp_path)
        strange = said("payment.succeeded", 0, "msg_é/%", payment_id="päy_1", name="Ü" * 9_000)
        old_chain.record(conninfo, [strange, *simulated(3)])
        yield conninfo, left
        conn.execute("DROP DATABASE before WITH (FORCE)")


def test_a_whole_log_is_whole_afterwards_and_is_followed_from_where_it_was(
    old: tuple[str, list[str]],
) -> None:
    conninfo, left = old
    with psycopg.connect(conninfo) as conn:
        before = conn.execute("SELECT state FROM raphus.ledger_events ORDER BY 1").fetchall()
    assert migrate(conninfo) == left
    log = lines(conninfo)
    assert broken_links(log) == []
    assert sorted(line.state for line in log) == [state for (state,) in before]
    with psycopg.connect(conninfo) as conn:
        assert verify(conn).fault is None
        checkpoint = ProjectionTracking().checkpoint(conn)
        assert (checkpoint.position, checkpoint.hash) == (len(log) - 1, log[-2].hash)
    project(conninfo)
    assert shown(conninfo)["timeline"]


@pytest.mark.parametrize(
    ("tampered", "position"),
    [
        ("SET state = set_byte(state, 30, 33) WHERE notification_id = 7", 7),
        ("SET recorded_at = recorded_at + interval '1 us' WHERE notification_id = 2", 2),
        ("SET webhook_id = 'other' WHERE notification_id = 1", 1),
        ("SET hash = sha256(hash) WHERE notification_id = 9", 9),
        ("SET notification_id = 100000 WHERE notification_id = 4", 4),
    ],
)
def test_a_log_that_was_tampered_with_is_refused_and_nothing_of_it_changes(
    old: tuple[str, list[str]], tampered: str, position: int
) -> None:
    conninfo, _ = old
    with psycopg.connect(conninfo) as conn:
        conn.execute(f"UPDATE raphus.ledger_events {tampered}".encode())
    before = lines(conninfo)
    with pytest.raises(MigrationError, match=f"from position {position} on.*raphus verify"):
        migrate(conninfo)
    assert lines(conninfo) == before
