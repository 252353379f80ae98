"""The rebuild: whatever happens meanwhile, the tables are what history says, or as they were."""

from __future__ import annotations

from threading import Event, Thread
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.sql import SQL

from ledger.application import Ledger
from ledger.following.leader import LEDGER_CHANNEL
from projections.read_models.catalogue import READ_MODELS
from projections.rebuild.kept_sums import kept_beside
from projections.rebuild.rebuild import COMPARE, SCHEMA, WRITE, _Run, rebuild
from projections.rebuild.staging import Staging
from projections.rebuild.table_diff import NONE, Found
from tests.support.connected import connected
from tests.support.deliveries import receipts, renewals
from tests.support.notices import heard
from tests.support.projected import (
    following,
    go_to_the_end,
    position,
    project,
    record,
    running,
    shown,
    simulated,
)
from tests.support.rebuilds import (
    COMMIT,
    PHASES,
    at,
    execute,
    ignore,
    nothing_is_left,
    rebuilt,
    replayed,
)
from tests.support.waiting import until

if TYPE_CHECKING:
    from projections.rebuild.rebuild import Rebuilt

PASSES = """
    SELECT seq_scan + coalesce(idx_scan, 0) FROM pg_stat_user_tables
    WHERE schemaname = 'raphus_rebuild' AND relname = 'periods'
"""

KEYED = """
    SELECT relname FROM pg_index JOIN pg_class AS t ON t.oid = indrelid
    WHERE indisprimary AND relnamespace = to_regnamespace(%s)
"""


def test_tables_that_are_right_are_found_equal_and_not_touched(database: str) -> None:
    record(database, simulated(12))
    project(database)
    before, written = shown(database), versions(database)
    found = rebuilt(database)
    assert found.equal
    assert found.position == position(database)
    beside = {"folds", *kept_beside(READ_MODELS)}
    counted = {d.table: d.rows for d in found.differences if d.table not in beside}
    assert counted == {t: len(r) for t, r in before.items()}
    assert (shown(database), versions(database)) == (before, written)
    assert nothing_is_left(database)


def test_an_empty_log_is_rebuilt_too(database: str) -> None:
    execute(
        database,
        "INSERT INTO raphus.refunds SELECT (jsonb_populate_record(NULL::raphus.refunds,"
        ' \'{"stream_id": "s", "first_position": 1, "business_id": "b", "refused": 0,'
        ' "settled": 0, "history": "complete", "occurred_at": "2026-05-01", "refund_id": "r",'
        ' "created_at": "2026-05-01", "payment_id": "p", "metadata": {}}\')).*',
    )
    assert differing(rebuilt(database)) == {"refunds": (NONE, Found(1, ["r/b/p"]), NONE)}
    assert not any(shown(database).values())


def test_what_differs_is_told_and_only_that_is_written(tampered: str) -> None:
    tables, written = shown(tampered), versions(tampered)
    with connected(tampered) as conn:
        (subscription,) = conn.execute(
            "SELECT subscription_id || '/' || business_id FROM raphus.subscriptions"
            " WHERE status = 'pending' AND quantity IS NULL"
        ).fetchone() or [None]
        (line,) = conn.execute(
            "SELECT webhook_id || '/999999999' FROM raphus.timeline WHERE position = 999999999"
        ).fetchone() or [None]
    checked = rebuilt(tampered, check=True)
    assert (shown(tampered), versions(tampered)) == (tables, written)
    found = rebuilt(tampered)
    assert found == checked
    told = differing(found)
    (payment,) = told["payments"][0].examples
    assert told == {
        "payments": (Found(1, [payment]), NONE, NONE),
        "subscriptions": (NONE, NONE, Found(1, [str(subscription)])),
        "timeline": (NONE, Found(1, [str(line)]), NONE),
    }
    repaired = shown(tampered)
    changed = {table: len(set(repaired[table]) ^ set(rows)) for table, rows in tables.items()}
    assert changed == dict.fromkeys(tables, 0) | {"payments": 1, "subscriptions": 2, "timeline": 1}
    assert len(set(versions(tampered)) - set(written)) == 2, "the rows added and changed"
    assert rebuilt(tampered, check=True).equal
    assert repaired == replayed(tampered)


def test_of_many_that_differ_only_a_few_are_named(database: str) -> None:
    record(database, renewals(range(40), streams=20))
    project(database)
    execute(database, "UPDATE raphus.subscriptions SET status = 'x', customer_id = 'y'")
    (_, _, changed), *_ = differing(rebuilt(database, check=True)).values()
    assert changed.rows == 20
    assert changed.examples == [f"sub_{n}/bus_1" for n in (0, 1, 10, 11, 12)]


def test_read_models_that_are_not_named_stay_as_they_are(tampered: str) -> None:
    timeline = [model for model in READ_MODELS if model.table == "timeline"]
    found = rebuild(tampered, timeline, check=False, progress=ignore)
    assert list(differing(found)) == ["timeline"]
    assert list(differing(rebuilt(tampered, check=True))) == ["subscriptions", "payments"]


def test_rows_that_have_exchanged_what_is_unique_are_set_right(database: str) -> None:
    record(database, renewals(range(3), streams=3))
    project(database)
    before = shown(database)
    for was, is_ in [(1, -1), (2, 1), (-1, 2)]:
        execute(
            database,
            f"UPDATE raphus.subscriptions SET first_position = {is_} WHERE first_position = {was}",
        )
    assert [found[2].rows for found in differing(rebuilt(database)).values()] == [2]
    assert shown(database) == before


def test_what_others_have_made_of_the_tables_stays(tampered: str) -> None:
    execute(
        tampered, "CREATE VIEW late AS SELECT * FROM raphus.subscriptions WHERE status = 'on_hold'"
    )
    execute(tampered, "GRANT SELECT ON raphus.payments TO pg_monitor")
    execute(tampered, "ALTER TABLE raphus.subscriptions ADD COLUMN note text DEFAULT 'ours'")
    execute(tampered, "UPDATE raphus.subscriptions SET note = 'theirs'")
    execute(
        tampered,
        "CREATE TABLE notes (id text, tenant text, FOREIGN KEY (id, tenant)"
        " REFERENCES raphus.subscriptions (subscription_id, business_id) ON DELETE CASCADE)",
    )
    execute(
        tampered, "INSERT INTO notes SELECT subscription_id, business_id FROM raphus.subscriptions"
    )
    kept = (
        "SELECT count(*), (SELECT count(*) FROM notes), (SELECT count(*) FROM late) >= 0,"
        " has_table_privilege('pg_monitor', 'raphus.payments', 'select')"
        " FROM raphus.subscriptions WHERE note = 'theirs'"
    )
    with connected(tampered) as conn:
        before = conn.execute(kept).fetchone()
    assert not rebuilt(tampered).equal
    with connected(tampered) as conn:
        assert conn.execute(kept).fetchone() == before
    assert rebuilt(tampered).equal


def test_what_is_followed_during_any_phase_is_neither_lost_nor_taken_for_a_difference(
    tampered: str,
) -> None:
    more = renewals(range(2_000, 3_000), streams=7)
    heard: list[tuple[str, bool]] = []

    with Ledger(tampered) as ledger, following(tampered) as follower:

        def go_on(phase: str, done: int, total: int) -> None:
            heard.append((phase, done == total))
            held = (COMPARE, True) in heard[:-1]
            receipts(ledger.record([more.pop() for _ in range(5)]))
            before = position(tampered)
            go_to_the_end(follower)
            assert (position(tampered) == before) is held, "it waits only while we write"

        found = rebuilt(tampered, go_on)
    assert {phase for phase, _ in heard} == set(PHASES)
    numbers = {table: [found.rows for found in ways] for table, ways in differing(found).items()}
    assert numbers == {"subscriptions": [0, 0, 1], "payments": [1, 0, 0], "timeline": [0, 1, 0]}
    project(tampered)
    assert rebuilt(tampered, check=True).equal
    assert shown(tampered) == replayed(tampered)


def test_a_row_that_is_followed_after_the_comparison_is_not_set_back(database: str) -> None:
    record(database, renewals(range(6), streams=2))
    project(database)
    execute(database, "UPDATE raphus.subscriptions SET status = 'spoilt', refused = 99")
    execute(
        database,
        "INSERT INTO raphus.subscriptions SELECT (jsonb_populate_record(s,"
        """ '{"subscription_id": "sub_7", "first_position": 99}')).*"""
        " FROM raphus.subscriptions AS s LIMIT 1",
    )

    def go_on(phase: str, done: int, total: int) -> None:
        if phase == COMPARE and done == total:
            record(database, renewals(range(6, 7), streams=2) + renewals(range(7, 8), streams=9))
            project(database)

    found = rebuilt(database, go_on)
    changed = Found(2, ["sub_0/bus_1", "sub_1/bus_1"])
    assert differing(found) == {"subscriptions": (NONE, Found(1, ["sub_7/bus_1"]), changed)}
    assert shown(database) == replayed(database)
    assert len(shown(database)["subscriptions"]) == 3


@pytest.mark.parametrize("meanwhile", ["nothing", "followed", "followed and spoilt"])
def test_an_empty_table_is_written_whole_whatever_comes_after_the_comparison(
    database: str, meanwhile: str
) -> None:
    record(database, renewals(range(6), streams=3))
    project(database)
    execute(database, "TRUNCATE raphus.subscriptions")

    def go_on(phase: str, done: int, total: int) -> None:
        if phase == COMPARE and done == total and meanwhile != "nothing":
            record(database, renewals(range(6, 7), streams=3))
            project(database)
            if "spoilt" in meanwhile:  # with what is another one's
                execute(database, "UPDATE raphus.subscriptions SET first_position = 2")

    found = rebuilt(database, go_on)
    missing = Found(3, ["sub_0/bus_1", "sub_1/bus_1", "sub_2/bus_1"])
    assert differing(found) == {"subscriptions": (missing, NONE, NONE)}
    assert rebuilt(database, check=True).equal
    assert shown(database) == replayed(database)


def test_what_comes_right_before_the_comparison_is_caught_up_with_in_it(
    tampered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    catch_up = _Run.catch_up_from_afar

    def and_be_late(run: _Run) -> None:
        catch_up(run)
        record(tampered, renewals(range(3_000, 3_010)))
        project(tampered)

    monkeypatch.setattr(_Run, "catch_up_from_afar", and_be_late)
    found = rebuilt(tampered)
    assert found.position == position(tampered)
    assert set(differing(found)) == {"subscriptions", "payments", "timeline"}
    assert rebuilt(tampered, check=True).equal
    assert shown(tampered) == replayed(tampered)


def test_keys_are_made_for_what_is_looked_up_by_them_and_for_nothing_else(tampered: str) -> None:
    execute(tampered, "TRUNCATE raphus.refunds")
    keyed: set[str] = set()

    def look(phase: str, _done: int, _total: int) -> None:
        if phase == WRITE:
            with psycopg.connect(tampered) as conn:
                keyed.update(table for (table,) in conn.execute(KEYED, [SCHEMA]))

    found = rebuilt(tampered, look)
    assert set(differing(found)) == {"subscriptions", "payments", "timeline", "refunds"}
    assert keyed == {"subscriptions", "payments", "timeline", "unfit_payments"}


def test_rebuilt_under_load_again_and_again_the_tables_are_right(tampered: str) -> None:
    deliveries, enough = simulated(60, seed=5), Event()

    def load() -> None:
        with Ledger(tampered) as ledger:
            while deliveries and not enough.is_set():
                receipts(ledger.record(deliveries[:7]))
                del deliveries[:7]

    writer = Thread(target=load)
    with running(tampered) as (follower, pages):
        writer.start()
        try:
            rebuilt(tampered)
            assert rebuilt(tampered).equal
            assert rebuilt(tampered, check=True).equal
        finally:
            enough.set()
            writer.join()
        until(lambda: position(tampered) == last(tampered))
        assert follower.problem is None
    ends = [page.position for page in pages]
    assert [page.position - page.events for page in pages[1:]] == ends[:-1], "nothing is skipped"
    assert shown(tampered) == replayed(tampered)


def test_a_follower_that_had_to_wait_is_woken(tampered: str) -> None:
    with running(tampered) as (follower, pages), connected(tampered, autocommit=True) as conn:
        until(lambda: follower.leading)
        conn.execute(f"LISTEN {LEDGER_CHANNEL}")
        held = at(COMMIT, lambda: record(tampered, renewals(range(5_000, 5_050)), batch_max=1))
        rebuilt(tampered, held)
        until(lambda: position(tampered) == last(tampered))
        told = heard(conn, LEDGER_CHANNEL)
    assert pages
    assert len(told) == 50 + 1, "one of each commit to the log, and one of the rebuild"
    assert shown(tampered) == replayed(tampered)


def test_what_follows_from_all_rows_is_found_by_a_few_passes_over_them(database: str) -> None:
    record(database, simulated(40))
    derived = next(model for model in READ_MODELS if model.table == "unfit_payments")
    staging = Staging(SCHEMA, READ_MODELS)
    with connected(database, autocommit=True) as conn:
        staging.create(conn)
        staging.load(database, SQL("true"), (0, 1), lambda _: None)
        for model in READ_MODELS[: READ_MODELS.index(derived)]:
            staging.index(conn, model)
        subscriptions = count(conn, "SELECT count(*) FROM raphus_rebuild.subscriptions")
        conn.execute("SELECT pg_stat_force_next_flush()")
        before = count(conn, PASSES)
        staging.derive(conn, derived)
        conn.execute("SELECT pg_stat_force_next_flush()")
        passes = count(conn, PASSES) - before
    assert 0 < passes < subscriptions / 3


def differing(found: Rebuilt) -> dict[str, tuple[Found, ...]]:
    return {d.table: d[2:] for d in found.differences if not d.none}


def count(conn: psycopg.Connection, statement: str) -> int:
    ((number,),) = conn.execute(statement).fetchall()
    return int(number)


def last(database: str) -> int:
    with connected(database) as conn:
        row = conn.execute("SELECT max(notification_id) FROM raphus.ledger_events").fetchone()
    assert row is not None
    return int(row[0])


def versions(database: str) -> list[tuple[str, ...]]:
    """Where each row's newest version lies, and who wrote it."""
    with connected(database) as conn:
        return [
            (model.table, *row)
            for model in READ_MODELS
            for row in conn.execute(
                f"SELECT ctid::text, xmin::text FROM raphus.{model.table} ORDER BY ctid".encode()
            )
        ]
