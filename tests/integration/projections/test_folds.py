"""Stored folds: the follower goes on from them, and from none that anybody has reason to doubt."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import TYPE_CHECKING

import psycopg
import pytest

from domain.aggregates.factory import aggregate
from ledger.application import Ledger
from ledger.erasure import Request
from ledger.following import pages
from projections.folds import going_on, parts, store
from projections.folds.going_on import EVENTS_MAX
from tests.support.connected import connected
from tests.support.histories import said
from tests.support.killed_follower import MOMENTS, killed
from tests.support.projected import following, project, record, shown, simulated
from tests.support.rebuilds import execute, rebuilt, replayed
from tests.support.upgrades import unknown
from workflows.erasure import forget

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from domain.aggregate import Aggregate, Base
    from domain.delivery import Delivery
    from domain.event import Event

LONG = 4 * EVENTS_MAX
WHO = {"customer": {"customer_id": "cus_1", "email": "ann@example.com", "name": "Ann"}}


def life(length: int, name: str = "sub_1", first: int = 0) -> list[Delivery]:
    """A subscription that is renewed, or fails to be, again and again."""
    words = ("active", "renewed", "updated", "past_due")
    return [
        said(
            f"subscription.{words[minute % 4]}",
            minute,
            f"msg_{name}_{minute}",
            subscription_id=name,
            status="past_due" if minute % 4 == 3 else "active",
            quantity=minute // 8,
            past_due_ends_at="2026-05-01T20:00:00Z",
            **WHO,
        )
        for minute in range(first, first + length)
    ]


def stored(database: str) -> dict[str, int]:
    """So many events each stored fold stands for."""
    with connected(database) as conn:
        return dict(conn.execute("SELECT stream_id, version FROM raphus.folds").fetchall())


def kept(database: str) -> list[int]:
    """So many events each earlier fold stands for."""
    with connected(database) as conn:
        found = conn.execute("SELECT version FROM raphus.earlier_folds ORDER BY version")
        return [version for (version,) in found]


def told(database: str, word: str) -> bool:
    """Whether a read model, or a stored fold, has a word."""
    with connected(database) as conn:
        folds = conn.execute("SELECT convert_from(fold, 'UTF8') FROM raphus.folds").fetchall()
    rows = [row for table in shown(database).values() for row in table]
    return any(word in text for text in [*rows, *(fold for (fold,) in folds)])


def folded_whole(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note how many events each aggregate without a base has that is made."""
    made: list[int] = []

    def noting(stream_id: str, events: list[Event], base: Base | None = None) -> Aggregate:
        one = aggregate(stream_id, events, base)
        if base is None:
            made.append(one.version)
        return one

    monkeypatch.setattr(going_on, "aggregate", noting)
    return made


def known_copies(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note of how many streams that a page touches a copy is held in memory."""
    held: list[int] = []
    find = store.find

    def noting(
        conn: psycopg.Connection, streams: Iterable[str], until: int, known: Sequence[UUID]
    ) -> dict[str, store.Found]:
        held.append(len(known))
        return find(conn, streams, until, known)

    monkeypatch.setattr(store, "find", noting)
    return held


def test_what_goes_on_from_stored_folds_is_what_a_replay_gives(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "KEPT_EVENTS", 4)
    deliveries = [one for name in ("sub_1", "sub_2") for one in life(LONG, name)]
    order = random.Random(5)
    # Some come late, and some again with another body.
    for _ in range(6):
        deliveries.insert(order.randrange(len(deliveries)), deliveries.pop(order.randrange(LONG)))
    deliveries += [
        said("subscription.updated", LONG + 9, one.webhook_id, subscription_id="sub_1")
        for one in order.sample(deliveries, 2)
    ]
    with Ledger(database) as ledger:
        while deliveries:
            with following(database) as follower:  # whose memory begins empty
                for _ in range(order.randrange(1, 9)):
                    ledger.record(deliveries[:2])
                    del deliveries[:2]
                    follower.run_once()
    assert stored(database)
    assert kept(database)
    followed = shown(database)
    assert rebuilt(database, check=True).equal
    assert replayed(database) == followed
    execute(database, "UPDATE raphus.ledger_events SET state = state")
    assert stored(database) == {}
    assert kept(database) == []


@pytest.mark.parametrize(("held_bytes_max", "copies"), [(0, 0), (2**16, 1)])
def test_of_a_long_stream_no_more_is_read_than_what_is_new(
    database: str, monkeypatch: pytest.MonkeyPatch, held_bytes_max: int, copies: int
) -> None:
    record(database, life(LONG))
    project(database)
    whole, held = folded_whole(monkeypatch), known_copies(monkeypatch)
    monkeypatch.setattr(going_on, "HELD_BYTES_MAX", held_bytes_max)
    with Ledger(database) as ledger, following(database) as follower:
        for one in life(LONG, first=LONG):
            ledger.record([one])
            follower.run_once()
    assert whole == []
    assert held == [0, *[copies] * (LONG - 1)]
    assert stored(database)["subscription/bus_1/sub_1"] > 2 * LONG - 2 * EVENTS_MAX


def test_a_row_that_began_with_the_first_open_fact_can_be_lost(database: str) -> None:
    record(database, life(LONG + 3))  # of which the last three are open; at LONG it is active
    with following(database) as follower:
        follower.run_once()
        again = said(
            "subscription.past_due",
            LONG,
            "msg_again",
            subscription_id="sub_1",
            status="past_due",
            quantity=(LONG - 1) // 8,
            past_due_ends_at="2026-05-01T20:00:00Z",
            **WHO,
        )
        record(database, [again])
        follower.run_once()
    assert stored(database)["subscription/bus_1/sub_1"] == LONG + 3
    assert rebuilt(database, check=True).equal


def test_what_comes_late_is_folded_from_an_earlier_fold_before_it(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "KEPT_EVENTS", EVENTS_MAX)
    length, each = 20 * EVENTS_MAX, EVENTS_MAX + 1
    late = said("subscription.on_hold", length - 30, "msg_late", subscription_id="sub_1")
    other = said("subscription.on_hold", length, "msg_sub_1_100", subscription_id="sub_1")
    with following(database) as follower:
        for first in range(0, length, each):
            record(database, life(each, first=first))
            follower.run_once()
        distances = [length - version for version in kept(database)]
        assert len(distances) < 10
        assert all(far > near for far, near in pairwise(distances))
        whole = folded_whole(monkeypatch)
        for one, before in ((late, length - 30), (other, 100)):
            record(database, [one])
            follower.run_once()
            assert whole == []
            assert 0 < max(kept(database)) <= before
            assert rebuilt(database, check=True).equal
        # One that is wrong is told of.
        execute(
            database,
            "INSERT INTO raphus.earlier_folds"
            " SELECT stream_id, 1, release, position, ends_at, open, fold"
            " FROM raphus.earlier_folds LIMIT 1",
        )
        assert not rebuilt(database, check=True).equal
        execute(database, "DELETE FROM raphus.earlier_folds WHERE version = 1")
        # One that does not lead on is not gone on from.
        execute(database, "UPDATE raphus.earlier_folds SET ends_at = '2020-01-01'")
        record(database, [said("subscription.on_hold", 3, "msg_3", subscription_id="sub_1")])
        follower.run_once()
        assert len(whole) == 1
        assert kept(database) == []
        # What another release has done meanwhile, nobody knows.
        for first in range(length, length + 3 * each, each):
            record(database, life(each, first=first))
            follower.run_once()
        assert kept(database)
        execute(database, "UPDATE raphus.folds SET release = 'another'")
        record(database, life(1, first=length + 3 * each))
        follower.run_once()
        assert kept(database) == []
    assert rebuilt(database, check=True).equal


@pytest.mark.parametrize("doubt", ["late", "another body", "gone", "of another release", "odd"])
def test_in_doubt_all_of_it_is_folded(
    database: str, monkeypatch: pytest.MonkeyPatch, doubt: str
) -> None:
    record(database, life(LONG))
    with following(database) as follower:
        follower.run_once()
        (more,) = life(1, first=LONG)
        if doubt == "late":
            more = said("subscription.on_hold", 1, "msg_late", subscription_id="sub_1")
        elif doubt == "another body":
            more = said("subscription.on_hold", LONG, "msg_sub_1_3", subscription_id="sub_1")
        elif doubt == "gone":
            execute(database, "DELETE FROM raphus.folds")
        elif doubt == "of another release":
            execute(database, "UPDATE raphus.folds SET release = 'older'")
        else:
            execute(database, "UPDATE raphus.folds SET fold = '[]', token = gen_random_uuid()")
        whole = folded_whole(monkeypatch)
        record(database, [more])
        follower.run_once()
    assert whole == [LONG + 1]
    assert rebuilt(database, check=True).equal


def test_a_stream_to_which_a_notice_belongs_is_folded_whole(database: str) -> None:
    with unknown(["subscription.paused"]):
        notice = said("subscription.paused", LONG - 1, "msg_later", subscription_id="sub_1")
        record(database, [*life(LONG), notice])
        project(database)
        assert stored(database)
    for more in life(2, first=LONG):
        record(database, [more])
        project(database)
        assert stored(database) == {}
    assert rebuilt(database, check=True).equal


def test_a_stored_fold_that_is_wrong_is_told_of(database: str) -> None:
    record(database, life(LONG))
    project(database)
    execute(
        database,
        "UPDATE raphus.folds SET fold = convert_to("
        "replace(convert_from(fold, 'UTF8'), '\"refused\":0', '\"refused\":7'), 'UTF8')",
    )
    (wrong,) = (one for one in rebuilt(database, check=True).differences if not one.none)
    assert (wrong.table, wrong.changed.examples) == ("folds", ["subscription/bus_1/sub_1"])
    assert not rebuilt(database).equal
    assert stored(database) == {}
    assert rebuilt(database, check=True).equal


def test_whoever_empties_an_event_takes_its_stored_fold_away(database: str) -> None:
    record(database, [*life(LONG), *life(LONG, "sub_2")])
    project(database)
    assert len(stored(database)) == 2
    execute(
        database,
        "UPDATE raphus.ledger_events SET state = state WHERE notification_id = 1",
    )
    assert set(stored(database)) == {"subscription/bus_1/sub_2"}


def test_what_a_page_has_made_counts_only_once_it_is_committed(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(database, life(LONG))
    with following(database) as follower:
        follower.run_once()
        record(database, life(EVENTS_MAX + 1, first=LONG))

        def fail(*_: object) -> None:
            raise ZeroDivisionError

        with monkeypatch.context() as failing:
            failing.setattr(store, "write", fail)
            with pytest.raises(Exception, match="positions"):
                follower.run_once()
        while follower.run_once():
            pass
    assert rebuilt(database, check=True).equal
    assert shown(database) == replayed(database)


def test_what_is_held_beyond_the_checkpoint_is_not_gone_on_from(database: str) -> None:
    record(database, life(LONG))
    with following(database) as follower:
        follower.run_once()
        record(database, life(2, first=LONG))
        assert follower.run_once() == 2
        execute(
            database,
            "UPDATE raphus.projections_tracking SET (notification_id, events, hash) = (SELECT"
            " notification_id, notification_id, hash FROM raphus.ledger_events"
            f" WHERE notification_id = {LONG + 1}) WHERE application_name = 'ledger'",
        )
        assert follower.run_once() == 1
    assert rebuilt(database, check=True).equal


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_as_a_fold_is_stored_the_next_one_goes_on(database: str, moment: str) -> None:
    deliveries = life(LONG)
    while deliveries:
        record(database, deliveries[: EVENTS_MAX + 1])
        del deliveries[: EVENTS_MAX + 1]
        assert killed(database, moment) == -9
    project(database)
    assert stored(database)
    assert rebuilt(database, check=True).equal
    assert shown(database) == replayed(database)


def test_of_an_erased_customer_nothing_comes_back_from_a_fold(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = known_copies(monkeypatch)
    record(database, life(LONG))
    with following(database) as follower:
        follower.run_once()
        assert told(database, "Ann")
        forget(database, Request("cus_1", None, "asked", None))
        assert stored(database) == {}
        record(database, [said("subscription.updated", LONG, "msg_after", subscription_id="sub_1")])
        while follower.run_once():
            pass
        # Nor does anything of it stay in memory.
        assert held == [0, 0]
    assert not told(database, "Ann")
    assert rebuilt(database, check=True).equal


def test_too_many_late_events_make_shorter_pages(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(database, [one for name in ("sub_1", "sub_2", "sub_3") for one in life(LONG, name)])
    project(database)
    for module in (going_on, pages):
        monkeypatch.setattr(module, "PAGE_HISTORY_MAX", LONG + 10)
    late = [
        said("subscription.on_hold", 1, f"msg_late_{name}", subscription_id=name)
        for name in ("sub_1", "sub_2", "sub_3")
    ]
    record(database, late)
    with following(database) as follower:
        assert [follower.run_once() for _ in range(4)] == [1, 1, 1, 0]
    assert rebuilt(database, check=True).equal


def test_a_long_stream_is_folded_in_parts_where_one_comes_late(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(database, [*life(LONG), *life(LONG, "sub_2")])
    project(database)
    for module in (going_on, parts):
        monkeypatch.setattr(module, "PART_EVENTS", EVENTS_MAX)
    monkeypatch.setattr(store, "KEPT_EVENTS", 2)
    late = [
        said("subscription.on_hold", minute, f"msg_late_{minute}", subscription_id="sub_1")
        for minute in (EVENTS_MAX + 2, EVENTS_MAX - 1, 3 * EVENTS_MAX)
    ]
    # A further body, which says another time, is of the first part like the one before it.
    late.append(said("subscription.on_hold", LONG, "msg_sub_1_2", subscription_id="sub_1"))
    with following(database) as follower:
        for one in [*late, *life(1, first=LONG)]:
            record(database, [one])
            follower.run_once()
            assert rebuilt(database, check=True).equal
        execute(database, "DELETE FROM raphus.folds")
        record(database, life(1, first=LONG + 1))
        follower.run_once()
        record(database, life(1, "sub_2", first=LONG))
        follower.run_once()
    assert rebuilt(database, check=True).equal
    assert len(stored(database)) == 2


def test_simulated_subscriptions_go_on(database: str) -> None:
    record(database, simulated(12, 3))
    project(database)
    assert rebuilt(database, check=True).equal
