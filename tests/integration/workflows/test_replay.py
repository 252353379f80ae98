"""Replay: the past is started for a route that missed it, in order, and nothing of it twice."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.connected import connected
from tests.support.histories import said
from tests.support.projected import forget, project, record, simulated
from tests.support.rebuilds import rebuilt
from tests.support.replays import killed, replayed
from tests.support.waiting import until
from tests.support.windmill import all_in, outbox, sending, starting_jobs, task, write_routes
from tests.support.windmill_stand_in import StandIn
from workflows.outbox.replay_search import PAGE_EVENTS_MAX
from workflows.routes.conditions import Glob

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from domain.delivery import Delivery
    from tests.support.http_server import CopyOf

HELD = [
    said("subscription.active", 0, "msg_1", subscription_id="sub_1"),
    said("subscription.on_hold", 1, "msg_2", subscription_id="sub_1"),
    said("payment.succeeded", 1, "msg_3", payment_id="pay_1"),
    said("subscription.cancelled", 2, "msg_4", subscription_id="sub_1"),
]


def recorded(database: str, deliveries: Sequence[Delivery]) -> list[datetime]:
    """Record deliveries one by one, and return when each was."""
    for one in deliveries:
        record(database, [one])
    with connected(database) as conn:
        rows = conn.execute(
            "SELECT recorded_at FROM raphus.ledger_events ORDER BY notification_id"
        ).fetchall()
    return [row[0] for row in rows]


def park(database: str, *webhook_ids: str) -> None:
    """Let jobs count as given up, as after an error in a transformation."""
    with connected(database) as conn:
        found = conn.execute(
            "UPDATE raphus.windmill_outbox SET state = 'parked', problem = 'wrong'"
            " WHERE webhook_id = ANY (%s) AND state = 'waiting'",
            [list(webhook_ids)],
        )
        assert found.rowcount == len(webhook_ids)


def all_started(database: str, routes: Path) -> list[dict[str, Any]]:
    """Start what waits, and return the arguments of the jobs, in order."""
    with StandIn() as windmill, sending(task(database, routes, windmill)):
        until(lambda: all_in(database, "succeeded"))
        return [job.arguments for job in windmill.jobs()]


def test_a_new_route_catches_up_with_all_of_the_log(database: str, tmp_path: Path) -> None:
    deliveries = simulated(25)
    record(database, deliveries)
    routes = write_routes(tmp_path)
    calls: list[tuple[int, int]] = []
    done = replayed(database, routes, progress=lambda _, n, total: calls.append((n, total)))
    ids = {one.webhook_id for one in deliveries}
    assert (done.matched, done.queued, done.waiting_again, done.left) == (len(ids), len(ids), 0, 0)
    positions = [position for (position,) in outbox(database, "position")]
    assert positions == sorted(positions)
    assert len(positions) > PAGE_EVENTS_MAX, "it must be more than a page"
    assert [total for _, total in calls] == [calls[-1][0]] * len(calls)
    assert len(calls) > 2


def test_a_replayed_event_is_started_once_with_the_state_as_known_now(
    database: str, tmp_path: Path
) -> None:
    routes = write_routes(tmp_path, on="subscription.*")
    record(database, HELD)
    assert replayed(database, routes).queued == 3
    started = all_started(database, routes)
    assert [one["event"]["webhook_id"] for one in started] == ["msg_1", "msg_2", "msg_4"]
    assert [one["state"]["status"] for one in started] == ["cancelled"] * 3
    assert not any("raphus_replay" in one for one in started)


@pytest.mark.long
def test_what_has_run_is_run_again_only_when_told_and_marked(database: str, tmp_path: Path) -> None:
    routes = write_routes(tmp_path, on="subscription.*")
    record(database, HELD)
    replayed(database, routes)
    all_started(database, routes)
    left = replayed(database, routes)
    assert (left.matched, left.queued, left.left) == (3, 0, 3)
    for number in (1, 2):
        assert replayed(database, routes, again=True).queued == 3
        marks = [one["raphus_replay"] for one in all_started(database, routes)]
        assert marks == [number] * 3
    ids = outbox(database, "job_id")
    assert len(set(ids)) == len(ids) == 9


def test_a_route_of_another_name_starts_its_own_jobs(database: str, tmp_path: Path) -> None:
    record(database, HELD)
    for name in ("old", "new"):
        assert replayed(database, write_routes(tmp_path, name=name)).queued == len(HELD)
    assert Counter(outbox(database, "route")) == {("old",): 4, ("new",): 4}


def test_what_waits_is_never_queued_a_second_time(database: str, tmp_path: Path) -> None:
    routes = write_routes(tmp_path)
    record(database, HELD)
    replayed(database, routes)
    again = replayed(database, routes, again=True)
    assert (again.queued, again.left) == (0, len(HELD))


@pytest.mark.parametrize("again", [False, True])
def test_what_is_parked_waits_again_in_the_order_of_the_log(
    database: str, tmp_path: Path, *, again: bool
) -> None:
    routes = write_routes(tmp_path, on="subscription.*")
    record(database, HELD)
    replayed(database, routes, types=Glob("subscription.on_hold"))
    park(database, "msg_2")
    record(database, [said("subscription.updated", 3, "msg_5", subscription_id="sub_1")])
    done = replayed(database, routes, again=again)
    assert (done.queued, done.waiting_again) == (2, 1)
    assert done.to_come == 1
    assert outbox(database, "webhook_id, state, known_position, replay") == [
        ("msg_1", "waiting", 5, 0),
        ("msg_2", "waiting", 5, 0),
        ("msg_4", "waiting", 5, 0),
    ]


def test_what_was_parked_after_it_had_run_waits_again(database: str, tmp_path: Path) -> None:
    routes = write_routes(tmp_path, on="payment.*")
    record(database, HELD)
    replayed(database, routes)
    all_started(database, routes)
    replayed(database, routes, again=True)
    park(database, "msg_3")
    assert replayed(database, routes).waiting_again == 1
    states = outbox(database, "replay, state")
    assert states == [(0, "succeeded"), (1, "waiting")]


def test_times_are_those_of_recording_and_count_themselves(database: str, tmp_path: Path) -> None:
    routes = write_routes(tmp_path)
    times = recorded(database, HELD)

    def matched(since: datetime | None = None, until: datetime | None = None) -> int:
        return replayed(database, routes, dry_run=True, since=since, until=until).matched

    assert matched(since=times[1]) == 3
    assert matched(since=times[1] + timedelta(microseconds=1)) == 2
    assert matched(until=times[1]) == 2
    assert matched(until=times[1] - timedelta(microseconds=1)) == 1
    assert matched(since=times[1], until=times[2]) == 2
    assert matched(since=times[2], until=times[1]) == 0
    assert matched(since=datetime.min.replace(tzinfo=UTC)) == 4
    assert matched(since=times[-1] + timedelta(days=1)) == 0
    assert matched(until=times[0] - timedelta(days=1)) == 0


def test_types_narrow_what_the_route_is_for(database: str, tmp_path: Path) -> None:
    record(database, HELD)
    routes = write_routes(tmp_path, on="subscription.*")
    found = {
        pattern: replayed(database, routes, dry_run=True, types=Glob(pattern)).matched
        for pattern in ("*", "*.on_hold", "payment.*")
    }
    assert found == {"*": 3, "*.on_hold": 1, "payment.*": 0}


def test_facts_are_judged_by_what_is_known_now(database: str, tmp_path: Path) -> None:
    late = said("subscription.active", 0, "msg_active", subscription_id="sub_1")
    record(
        database, [said("subscription.expired", 5, "msg_expired", subscription_id="sub_1"), late]
    )
    refused = said("subscription.failed", 9, "msg_failed", subscription_id="sub_1")
    record(database, [refused])
    routes = write_routes(tmp_path)
    assert replayed(database, routes, dry_run=True).matched == 2
    routes = write_routes(tmp_path, more='verdicts = ["refused"]')
    replayed(database, routes)
    assert outbox(database, "webhook_id") == [("msg_failed",)]


def test_a_further_body_of_a_webhook_is_no_further_event(database: str, tmp_path: Path) -> None:
    one = said("payment.succeeded", 0, "msg_1", payment_id="pay_1", total_amount=1)
    other = said("payment.succeeded", 0, "msg_1", payment_id="pay_1", total_amount=2)
    record(database, [one, other], batch_max=1)
    assert replayed(database, write_routes(tmp_path)).queued == 1


def test_a_dry_run_tells_and_does_nothing(database: str, tmp_path: Path) -> None:
    routes = write_routes(tmp_path)
    record(database, HELD)
    told = replayed(database, routes, dry_run=True)
    assert outbox(database) == []
    with connected(database) as conn:
        begun = (
            "SELECT count(*) FROM raphus.projections_tracking WHERE application_name = 'windmill'"
        )
        assert conn.execute(begun.encode()).fetchone() == (0,)
    assert replayed(database, routes) == told


def several_pages(conninfo: str) -> None:
    deliveries = simulated(20, seed=2)
    assert len(deliveries) > PAGE_EVENTS_MAX
    record(conninfo, deliveries)


@pytest.mark.parametrize("moment", ["part", "whole"])
def test_a_replay_that_is_killed_and_begun_anew_runs_nothing_twice(
    copy_of: CopyOf, tmp_path: Path, moment: str
) -> None:
    routes = write_routes(tmp_path)
    with copy_of(several_pages) as database:
        assert killed(database, routes, moment) == -9
        assert outbox(database) == []
        ids = len({one.webhook_id for one in simulated(20, seed=2)})
        assert replayed(database, routes, again=True).queued == ids
        assert set(outbox(database, "replay")) == {(0,)}


def test_what_the_outbox_has_not_read_is_left_to_it(database: str, tmp_path: Path) -> None:
    routes = write_routes(tmp_path)
    record(database, HELD[:1])
    replayed(database, routes)
    record(database, HELD[1:])
    done = replayed(database, routes)
    assert (done.matched, done.left, done.to_come) == (1, 1, 3)
    started = all_started_of(database, routes, len(HELD))
    assert Counter(started) == Counter(["msg_1", "msg_2", "msg_3", "msg_4"])


def all_started_of(database: str, routes: Path, count: int) -> list[str]:
    """Start what waits and what the outbox finds, and return the webhooks, in order."""
    with StandIn() as windmill, sending(task(database, routes, windmill)):
        until(lambda: len(outbox(database)) == count and all_in(database, "succeeded"))
        return [job.arguments["event"]["webhook_id"] for job in windmill.jobs()]


@pytest.mark.long
def test_a_replay_beside_a_server_at_work_starts_nothing_twice(
    database: str, tmp_path: Path
) -> None:
    deliveries = simulated(15)[:280]
    ids = {one.webhook_id for one in deliveries}
    half = len(deliveries) // 2
    record(database, deliveries[:half])
    routes = write_routes(tmp_path)
    with StandIn() as windmill, starting_jobs(database, routes, windmill):
        record(database, deliveries[half : half + 60])
        replayed(database, routes)
        record(database, deliveries[half + 60 :])
        replayed(database, routes)
        until(lambda: len(outbox(database)) == len(ids) and all_in(database, "succeeded"))
        jobs = windmill.jobs()
    assert Counter(job.arguments["event"]["webhook_id"] for job in jobs) == Counter(ids)


def test_a_rebuild_of_read_models_starts_nothing(database: str, tmp_path: Path) -> None:
    routes = write_routes(tmp_path)
    record(database, simulated(5)[:100])
    project(database)
    replayed(database, routes)
    with StandIn() as windmill, sending(task(database, routes, windmill)):
        until(lambda: all_in(database, "succeeded"))
        jobs, rows = windmill.jobs(), outbox(database, "*")
        forget(database)
        rebuilt(database)
        project(database)
        # What is recorded now is read behind anything that the rebuild might have caused.
        record(database, [said("payout.success", 0, "msg_last", payout_id="pyt_1")])
        until(lambda: len(outbox(database)) > len(rows) and all_in(database, "succeeded"))
        assert [job.arguments["event"]["webhook_id"] for job in windmill.jobs()[len(jobs) :]] == [
            "msg_last"
        ]
    assert outbox(database, "*")[: len(rows)] == rows


def test_a_replay_of_what_the_route_wants_by_its_type_alone_queues_nothing(
    database: str, tmp_path: Path
) -> None:
    routes = write_routes(tmp_path, more='where = { currency = "XXX" }')
    record(database, HELD)
    done = replayed(database, routes)
    assert (done.matched, done.queued) == (0, 0)


def test_the_first_events_that_start_something_are_named(database: str, tmp_path: Path) -> None:
    routes = write_routes(tmp_path)
    record(database, HELD)
    tried = replayed(database, routes, dry_run=True)
    done = replayed(database, routes)
    assert tried.first == done.first
    named = [(one.webhook_id, one.type, one.parked) for one in done.first]
    assert named[0] == ("msg_1", "subscription.active", False)
    assert len(named) == done.queued == len(HELD)
    park(database, "msg_3")
    assert [(one.webhook_id, one.parked) for one in replayed(database, routes).first] == [
        ("msg_3", True)
    ]
