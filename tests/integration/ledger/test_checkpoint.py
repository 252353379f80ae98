"""The checkpoint: its count and its hash show when the read models and the log disagree."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import psycopg
import pytest
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from ledger.application import Ledger
from ledger.following.checkpoint import Checkpoint, ProjectionTracking
from ledger.following.pages import LogError, next_page
from ledger.following.taking import PageError
from ledger.integrity.hash_chain import GENESIS
from migrations.runner import FOLDER, migrate
from projections.read_models.catalogue import READ_MODELS
from projections.rebuild.rebuild import rebuild
from tests.support import old_chain
from tests.support.connected import connected
from tests.support.deliveries import renewals
from tests.support.http_server import served
from tests.support.log import lines
from tests.support.projected import following, project, record, shown
from tests.support.rebuilds import after_folding, execute, ignore, rebuilt, replayed
from tests.support.tampered import changed, rechain, removed, renumbered, tamper
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.http_server import CopyOf, Served

FOLLOWED = 20
STREAMS = 4
TRACKING = "UPDATE raphus.projections_tracking SET"
LEDGER = "WHERE application_name = 'ledger'"
AGREES = "raphus_checkpoint_agrees 1.0"


def renewed(conninfo: str) -> None:
    record(conninfo, renewals(range(FOLLOWED), streams=STREAMS), batch_max=6)
    project(conninfo)


@pytest.fixture
def followed(copy_of: CopyOf) -> Iterator[str]:
    """A log of a few batches that the read models show."""
    with copy_of(renewed) as conninfo:
        yield conninfo


def checkpoint(database: str) -> Checkpoint:
    with connected(database) as conn:
        return ProjectionTracking().checkpoint(conn)


def end(database: str) -> Checkpoint:
    """The checkpoint of whoever has followed the whole log."""
    last = lines(database)[-1]
    return Checkpoint(last.position, last.hash, last.position)


@pytest.mark.parametrize("position", [0, 1, FOLLOWED - 2])
def test_a_page_has_no_more_events_than_are_asked_for(followed: str, position: int) -> None:
    line = lines(followed)[position - 1] if position else None
    reached = Checkpoint(position, line.hash if line else GENESIS, position)
    with connected(followed) as conn:
        for events_max in (1, 2):
            page = next_page(conn, reached, events_max)
            assert page is not None
            assert (page.after, page.last) == (position, position + events_max)


def replace_the_tail(database: str) -> None:
    tamper(database, removed(FOLLOWED - 4, FOLLOWED + 1))
    record(database, renewals(range(100, 105), streams=STREAMS))


def replace_the_tail_by_a_longer_one(database: str) -> None:
    tamper(database, removed(FOLLOWED - 4, FOLLOWED + 1))
    record(database, renewals(range(100, 120), streams=STREAMS))


def rewrite_an_early_event(database: str) -> None:
    tamper(database, changed("recorded_at = recorded_at - interval '1 day'", position=1))
    rechain(database, 1)


def rewrite_the_last_event(database: str) -> None:
    tamper(database, changed("state = set_byte(state, 150, 33)", position=FOLLOWED))
    rechain(database, FOLLOWED)


def rewrite_the_last_hash(database: str) -> None:
    tamper(database, changed("hash = set_byte(hash, 0, 255 - get_byte(hash, 0))", FOLLOWED))


def rewrite_the_checkpoints_hash(database: str) -> None:
    execute(database, f"{TRACKING} hash = sha256('another') {LEDGER}")


REWRITES = [
    replace_the_tail,
    replace_the_tail_by_a_longer_one,
    rewrite_an_early_event,
    rewrite_the_last_event,
    rewrite_the_last_hash,
    rewrite_the_checkpoints_hash,
]
REWRITTEN = f"the log up to position {FOLLOWED}, but it has been rewritten there, or before"


def shorten(database: str) -> None:
    tamper(database, removed(FOLLOWED - 1, FOLLOWED + 1))


def empty(database: str) -> None:
    tamper(database, "TRUNCATE raphus.ledger_events;")


SHORTENED = f"the log up to position {FOLLOWED}, but it has no such position any more"


def skip_an_event(database: str) -> None:
    """Move the checkpoint past an event that no read model shows, with the hash that is there."""
    record(database, renewals(range(FOLLOWED, FOLLOWED + 1), of="sub_skipped"))
    execute(
        database,
        f"{TRACKING} notification_id = log.notification_id, hash = log.hash FROM"
        f" raphus.ledger_events AS log {LEDGER} AND log.notification_id = {FOLLOWED + 1}",
    )


def follow_as_an_older_release(database: str) -> None:
    """Move the position by the library's own statement, which counts nothing."""
    record(database, renewals(range(FOLLOWED, FOLLOWED + 1), of="sub_skipped"))
    # Its pool is never opened.
    never = PostgresDatastore("", "", "", "", "", schema="raphus", originator_id_type="text")
    recorder = PostgresTrackingRecorder(never, tracking_table_name="projections_tracking")
    with connected(database) as conn, conn.cursor(row_factory=dict_row) as curs:
        recorder._insert_tracking(curs, Tracking(Ledger.name, FOLLOWED + 1))


SKIPS = [skip_an_event, follow_as_an_older_release]
SKIPPED = f"of the {FOLLOWED + 1} events up to the checkpoint, the read models have taken 20"


def test_it_has_the_count_and_the_hash_of_what_was_followed(database: str) -> None:
    assert checkpoint(database) == Checkpoint(0, GENESIS, 0)
    record(database, renewals(range(FOLLOWED), streams=STREAMS), batch_max=6)
    with following(database) as follower:
        follower.run_once()
    assert checkpoint(database) == end(database)
    record(database, renewals(range(FOLLOWED, FOLLOWED + 3), streams=STREAMS))
    project(database)
    assert checkpoint(database) == end(database)


def test_a_page_that_is_rolled_back_counts_for_nothing(followed: str) -> None:
    before = checkpoint(followed)
    record(followed, renewals(range(FOLLOWED, FOLLOWED + 5), streams=STREAMS))
    execute(
        followed,
        "ALTER TABLE raphus.timeline ADD CONSTRAINT c CHECK (webhook_id <> 'msg_23')",
    )
    with following(followed) as follower:
        with pytest.raises(PageError):
            follower.run_once()
        assert checkpoint(followed) == before
        execute(followed, "ALTER TABLE raphus.timeline DROP CONSTRAINT c")
        assert follower.run_once() == 5
    assert checkpoint(followed) == end(followed)


def test_a_page_whose_commit_fails_counts_for_nothing(followed: str) -> None:
    before = checkpoint(followed)
    # Deferred: it fails when all statements of the page have been run.
    execute(
        followed,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'no'; END $$;"
        "CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON raphus.projections_tracking"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    record(followed, renewals(range(FOLLOWED, FOLLOWED + 5), streams=STREAMS))
    with following(followed) as follower:
        with pytest.raises(psycopg.errors.RaiseException):
            follower.run_once()
        assert checkpoint(followed) == before
        execute(followed, "DROP TRIGGER late ON raphus.projections_tracking")
        assert follower.run_once() == 5
    assert checkpoint(followed) == end(followed)


@pytest.mark.parametrize("rewrite", REWRITES)
def test_a_log_that_was_rewritten_stops_the_follower(
    followed: str, rewrite: Callable[[str], None]
) -> None:
    before = shown(followed)
    rewrite(followed)
    with following(followed) as follower, pytest.raises(LogError, match=REWRITTEN):
        follower.run_once()
    assert (shown(followed), checkpoint(followed).position) == (before, FOLLOWED)


@pytest.mark.parametrize("rewrite", [*REWRITES, shorten, empty])
def test_a_log_that_was_rewritten_or_shortened_is_not_rebuilt_from(
    followed: str, rewrite: Callable[[str], None]
) -> None:
    rewrite(followed)
    before = shown(followed), checkpoint(followed)
    with pytest.raises(LogError, match=SHORTENED if rewrite in {shorten, empty} else REWRITTEN):
        rebuilt(followed)
    assert (shown(followed), checkpoint(followed)) == before


@pytest.mark.parametrize("more", [0, 5])
def test_a_log_that_is_rewritten_during_a_rebuild_stops_it(followed: str, more: int) -> None:
    record(followed, renewals(range(FOLLOWED, FOLLOWED + more), streams=STREAMS))
    before = shown(followed)
    with pytest.raises(LogError, match=REWRITTEN):
        rebuilt(followed, after_folding(lambda: rewritten_and_followed(followed)))
    assert shown(followed) == before


def rewritten_and_followed(database: str) -> None:
    """Rewrite the log, and let the checkpoint claim that this is the one that was followed."""
    rewrite_an_early_event(database)
    execute(
        database,
        f"{TRACKING} notification_id = log.notification_id, events = log.notification_id,"
        f" hash = log.hash FROM raphus.ledger_events AS log {LEDGER} AND log.notification_id ="
        " (SELECT max(notification_id) FROM raphus.ledger_events)",
    )


def test_read_models_that_go_back_during_a_rebuild_stop_it(followed: str) -> None:
    before = shown(followed)
    begin_anew = f"{TRACKING} notification_id = 0, events = DEFAULT, hash = DEFAULT {LEDGER}"
    with pytest.raises(LogError, match="went back to position 0"):
        rebuilt(followed, after_folding(lambda: execute(followed, begin_anew)))
    assert shown(followed) == before


@pytest.mark.parametrize("skip", SKIPS)
def test_an_event_that_was_skipped_stops_the_follower_until_a_rebuild(
    followed: str, skip: Callable[[str], None]
) -> None:
    skip(followed)
    with following(followed) as follower:
        with pytest.raises(LogError, match=SKIPPED):
            follower.run_once()
        assert not rebuilt(followed, check=True).equal
        assert checkpoint(followed).events == FOLLOWED
        found = rebuilt(followed)
        assert sum(difference.added.rows for difference in found.differences) > 0
        assert checkpoint(followed) == end(followed)
        record(followed, renewals(range(FOLLOWED + 1, FOLLOWED + 3), streams=STREAMS))
        assert follower.run_once() == 2
    assert checkpoint(followed) == end(followed)
    assert shown(followed) == replayed(followed)


def test_a_wrong_count_is_set_right_though_no_row_is_wrong(followed: str) -> None:
    execute(followed, f"{TRACKING} events = events + 3 {LEDGER}")
    assert rebuilt(followed).equal
    assert checkpoint(followed) == end(followed)


def test_the_rebuild_of_some_read_models_leaves_the_count_as_it_is(followed: str) -> None:
    skip_an_event(followed)
    rebuild(followed, READ_MODELS[:-1], check=False, progress=ignore)
    assert checkpoint(followed).events == FOLLOWED
    with following(followed) as follower, pytest.raises(LogError, match=SKIPPED):
        follower.run_once()


def test_an_event_that_is_not_in_its_streams_history_stops_the_follower(followed: str) -> None:
    record(followed, renewals(range(FOLLOWED, FOLLOWED + 2)))
    first, second = lines(followed)[-2:]
    assert first.originator_id == second.originator_id
    before = shown(followed), checkpoint(followed)
    # Their versions are exchanged: the history up to the last of them lacks the other.
    for version, position in [
        (0, first.position),
        (first.originator_version, second.position),
        (second.originator_version, first.position),
    ]:
        tamper(followed, changed(f"originator_version = {version}", position))
    with (
        following(followed) as follower,
        pytest.raises(LogError, match=r"of the 2 events at positions 21 to 22, only 1 are"),
    ):
        follower.run_once()
    assert (shown(followed), checkpoint(followed)) == before


def test_a_hole_is_told_as_a_hole(followed: str) -> None:
    record(followed, renewals(range(FOLLOWED, FOLLOWED + 3)))
    tamper(followed, renumbered("notification_id + 1", f"notification_id > {FOLLOWED + 1}"))
    with following(followed) as follower, pytest.raises(LogError, match="hole"):
        follower.run_once()


def told(server: Served) -> str:
    """What /readyz says of the checkpoint, which must be all that it says of it."""
    response = server.client.get("/readyz")
    assert response.status_code == 503, response.text
    error = response.json()["error"]
    assert error["code"] == "not_ready"
    assert "checkpoint" in error["message"]
    return str(error["details"]["checkpoint"])


def test_readyz_tells_that_they_agree(followed: str) -> None:
    with served(followed) as server:
        assert server.get("/readyz")["status"] == "ready"
        assert AGREES in server.client.get("/metrics").text


@pytest.mark.parametrize(
    ("disturb", "said"),
    [(one, REWRITTEN) for one in REWRITES]
    + [(one, SHORTENED) for one in (shorten, empty)]
    + [(one, SKIPPED) for one in SKIPS],
)
def test_readyz_tells_that_the_log_and_the_checkpoint_disagree(
    followed: str, disturb: Callable[[str], None], said: str
) -> None:
    disturb(followed)
    with served(followed) as server:
        assert said in told(server)
        assert "raphus rebuild" in told(server) or "raphus verify" in told(server)
        metrics = server.client.get("/metrics").text
        assert "raphus_checkpoint_agrees 0.0" in metrics


def test_a_skipped_event_shows_though_there_is_no_lag(followed: str) -> None:
    skip_an_event(followed)
    with served(followed) as server:
        assert SKIPPED in told(server)
        metrics = server.client.get("/metrics").text
        assert "raphus_projection_lag_seconds 0.0" in metrics
        rebuilt(followed)
        until(lambda: server.client.get("/readyz").status_code == 200)
        assert AGREES in server.client.get("/metrics").text


def test_readyz_tells_what_happens_under_a_server_that_runs(followed: str) -> None:
    with served(followed) as server:
        until(lambda: server.get("/readyz")["follower"] == "leading")
        rewrite_the_last_event(followed)
        assert REWRITTEN in told(server)
        until(lambda: "follower" in server.client.get("/readyz").json()["error"]["details"])


def test_a_checkpoint_that_is_missing_is_told(followed: str) -> None:
    execute(followed, f"DELETE FROM raphus.projections_tracking {LEDGER}")
    with served(followed) as server:
        response = server.client.get("/readyz")
        assert response.status_code == 503
        assert "the checkpoint of the read models is missing" in response.text


def test_a_log_that_is_to_be_accepted_as_it_is_can_be_followed_from_its_beginning(
    followed: str,
) -> None:
    replace_the_tail(followed)
    page = (FOLDER.parent / "docs" / "operations.md").read_text("utf-8")
    execute(followed, page.partition("```sql\n")[2].partition("```")[0])
    project(followed)
    assert not rebuilt(followed).equal, "what is in the log no more has left rows"
    assert checkpoint(followed) == end(followed)
    assert shown(followed) == replayed(followed)


@pytest.fixture
def older(cluster: str, tmp_path: Path) -> Iterator[str]:
    """Give a database as the release before the checkpoint's count and hash has left it."""
    for path in FOLDER.glob("*.sql"):
        if path.name < "0004":
            shutil.copy(path, tmp_path)
    with connected(cluster, autocommit=True) as conn:
        conn.execute("CREATE DATABASE older TEMPLATE template0 STRATEGY file_copy")
        conninfo = make_conninfo(cluster, dbname="older")
        migrate(conninfo, tmp_path)
        yield conninfo
        conn.execute("DROP DATABASE older WITH (FORCE)")


@pytest.mark.parametrize("position", [0, 7, FOLLOWED])
def test_the_migration_takes_the_count_and_the_hash_from_the_log(older: str, position: int) -> None:
    old_chain.record(older, renewals(range(FOLLOWED), streams=STREAMS), followed=False)
    execute(older, f"{TRACKING} notification_id = {position} {LEDGER}")
    migrate(older)
    hash_ = lines(older)[position - 1].hash if position else GENESIS
    assert checkpoint(older) == Checkpoint(position, hash_, position)
