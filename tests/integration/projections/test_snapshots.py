"""Snapshots: built once for a position, shared, dropped when unused, and never half there."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from api.http.errors import ApiError
from api.queries.database import Database
from api.queries.snapshot_cache import SnapshotCache
from projections.read_models.catalogue import LISTINGS, READ_MODELS
from projections.rebuild import snapshots
from tests.support.connected import connected
from tests.support.http_server import served
from tests.support.killed_builder import killed
from tests.support.projected import project, record, rows, shown, simulated
from tests.support.waiting import GUARD_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postgres.statement import Row
    from tests.support.http_server import CopyOf


class StoppedError(Exception):
    pass


def ignore(_phase: str, _done: int, _total: int) -> None:
    pass


def standing(conninfo: str) -> set[str]:
    """Return the schemas of snapshots that are there, finished or not."""
    with connected(conninfo) as conn:
        select = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'raphus_known%'"
        return {name for (name,) in conn.execute(select)}


def listed(conninfo: str) -> set[int]:
    with connected(conninfo) as conn:
        return {one for (one,) in conn.execute("SELECT position FROM raphus.snapshots")}


def logged(conninfo: str) -> int:
    with connected(conninfo) as conn:
        ((last,),) = conn.execute("SELECT max(notification_id) FROM raphus.ledger_events")
        return int(last)


def lived(conninfo: str) -> None:
    record(conninfo, simulated(4))
    project(conninfo)


@pytest.fixture
def merchant(copy_of: CopyOf) -> Iterator[str]:
    with copy_of(lived) as conninfo:
        yield conninfo


def test_at_the_end_of_the_log_a_snapshot_equals_the_live_tables(merchant: str) -> None:
    last = logged(merchant)
    snapshots.provide(merchant, last, ignore)
    live = shown(merchant)
    with connected(merchant) as conn:
        for model in READ_MODELS:
            select = f"SELECT t::text FROM {snapshots.schema_at(last)}.{model.table} AS t"
            assert sorted(text for (text,) in conn.execute(select)) == live[model.table]


def test_a_snapshot_is_built_once_and_then_used_again(merchant: str) -> None:
    told: list[int] = []
    for _ in range(2):
        snapshots.provide(merchant, 20, lambda _phase, done, _total: told.append(done))
    assert told[0] == 0
    assert told.count(20) == 1


def test_two_who_want_the_same_one_at_once_both_have_it(merchant: str) -> None:
    threads = [
        threading.Thread(target=snapshots.provide, args=(merchant, 15, ignore)) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert listed(merchant) == {15}
    assert standing(merchant) == {"raphus_known_15"}


def test_so_many_are_kept_and_the_one_unused_for_longest_gives_way(merchant: str) -> None:
    for position in range(5, 5 + snapshots.KEPT_MAX):
        snapshots.provide(merchant, position, ignore)
    snapshots.provide(merchant, 5, ignore)
    snapshots.provide(merchant, 40, ignore)
    assert len(listed(merchant)) == snapshots.KEPT_MAX
    assert {5, 40} <= listed(merchant)
    assert 6 not in listed(merchant)
    assert standing(merchant) == {snapshots.schema_at(one) for one in listed(merchant)}


def test_one_that_nobody_has_used_for_long_is_dropped(merchant: str) -> None:
    for position in (8, 9):
        snapshots.provide(merchant, position, ignore)
    with connected(merchant) as conn:
        conn.execute(
            "UPDATE raphus.snapshots SET used_at = used_at - make_interval(secs => %s)"
            " WHERE position = 8",
            [snapshots.KEPT_S],
        )
    snapshots.drop_unused(merchant)
    assert standing(merchant) == {"raphus_known_9"}


def test_nobody_waits_for_whoever_reads_one_that_is_to_go(merchant: str) -> None:
    snapshots.provide(merchant, 8, ignore)
    with connected(merchant) as reading, connected(merchant, autocommit=True) as conn:
        reading.execute("SELECT FROM raphus_known_8.payments LIMIT 1")
        conn.execute("DELETE FROM raphus.snapshots")
        dropping = threading.Thread(target=snapshots.drop_unused, args=(merchant,))
        dropping.start()
        dropping.join(GUARD_S)
        is_waiting = dropping.is_alive()
        reading.rollback()
        dropping.join()
        assert not is_waiting
        assert standing(merchant) == {"raphus_known_8"}
    snapshots.drop_unused(merchant)
    assert standing(merchant) == set()


def test_one_that_is_given_up_leaves_nothing(merchant: str) -> None:
    def stop(_phase: str, done: int, _total: int) -> None:
        if done:
            raise StoppedError

    with pytest.raises(StoppedError):
        snapshots.provide(merchant, 30, stop)
    assert (listed(merchant), standing(merchant)) == (set(), set())


def test_what_a_killed_builder_leaves_is_never_read_and_goes_away(merchant: str) -> None:
    assert killed(merchant, 30) == -9
    assert (listed(merchant), standing(merchant)) == (set(), {"raphus_known_30"})
    until(lambda: _dropped(merchant))
    snapshots.provide(merchant, 30, ignore)
    assert listed(merchant) == {30}


def _dropped(conninfo: str) -> bool:
    # The dead one's lock goes when its server process notices.
    snapshots.drop_unused(conninfo)
    return not standing(conninfo)


def test_who_waits_in_vain_is_told_to_ask_again(
    merchant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.queries.snapshot_cache.WAIT_S", 0.0)

    async def ask() -> tuple[ApiError, list[Row]]:
        database = Database(merchant)
        snapshots = SnapshotCache(merchant, database)
        now = await snapshots.position(datetime.now(UTC))
        with pytest.raises(ApiError) as told:
            await snapshots.rows(LISTINGS["payments"].page({}, before=None, limit=5), now)
        await snapshots.stop()
        patient = SnapshotCache(merchant, database, patient=True)
        found = await patient.rows(LISTINGS["payments"].page({}, before=None, limit=5), now)
        await patient.stop()
        await database.close()
        return told.value, found

    told, found = asyncio.run(ask())
    assert (told.status, told.body.error.code) == (503, "preparing")
    assert found == rows(merchant, LISTINGS["payments"].page({}, before=None, limit=5))


def test_one_that_was_dropped_behind_a_servers_back_is_built_again(merchant: str) -> None:
    with served(merchant) as server:
        now = server.get("/v1/events", limit=1)["items"][0]["recorded_at"]
        known = server.get("/v1/payments", known_at=now)
        with connected(merchant, autocommit=True) as conn:
            conn.execute("DELETE FROM raphus.snapshots")
        snapshots.drop_unused(merchant)
        assert server.get("/v1/payments", known_at=now) == known
