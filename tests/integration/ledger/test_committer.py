"""Commits of an event loop: by itself where all goes well and soon, else by the thread."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Literal

import msgspec
import pytest
from eventsourcing.persistence import PersistenceError

from ledger.application import Ledger, Receipt
from ledger.committer import Committer
from tests.support.committing import committing
from tests.support.deliveries import receipts, renewals
from tests.support.log import broken_links, lines, positions
from tests.support.outages import kill_at_random, locked
from tests.support.proxy import Scissors, cutting
from tests.support.trips import counting_trips
from tests.support.waiting import GUARD_S

if TYPE_CHECKING:
    from concurrent.futures import Future

    from domain.delivery import Delivery

KILLS = 8
LISTEN_S = "ledger.committer.LISTEN_S"


def new(*positions: int) -> list[Receipt]:
    return [Receipt(position, duplicate=False) for position in positions]


def test_the_loop_commits_what_is_new_and_no_thread_waits(
    database: str, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LISTEN_S, GUARD_S)
    deliveries = renewals(range(9), streams=2)
    with committing(ledger) as commit:
        assert commit(deliveries[:1]) == new(1)
        with counting_trips() as trips:
            assert commit(deliveries[1:2]) == new(2)
            assert commit(deliveries[2:]) == new(*range(3, 10))
    assert trips == []
    assert broken_links(lines(database)) == []


def test_what_came_before_is_found_and_what_comes_twice_is_one(
    database: str, ledger: Ledger
) -> None:
    one, two, three = renewals(range(3))
    with committing(ledger) as commit:
        commit([one])
        assert commit([one, two]) == [Receipt(1, duplicate=True), *new(2)]
        assert commit([three, three]) == [*new(3), Receipt(3, duplicate=True)]
    assert len(lines(database)) == 3


def test_the_loop_goes_round_while_the_log_is_locked_and_then_has_its_receipts(
    database: str, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LISTEN_S, 0.0)
    deliveries = renewals(range(4))

    async def commit() -> None:
        committer = Committer(ledger)
        assert await committer.commit(deliveries[:1]) == new(1)
        with locked(database):
            committing = asyncio.create_task(committer.commit(deliveries[1:]))
            await asyncio.sleep(0.2)
            assert not committing.done()
        # It is what was asked first that is answered: asked again, they would be duplicates.
        assert await committing == new(2, 3, 4)
        committer.close()

    asyncio.run(commit())


def test_a_batch_that_does_not_go_out_at_once_is_recorded_all_the_same(
    database: str, ledger: Ledger
) -> None:
    large = renewals(range(1, 9), size_bytes=2**20)
    with committing(ledger) as commit:
        assert commit(renewals(range(1))) == new(1)
        assert commit(large) == new(*range(2, 10))
    assert len(positions(database)) == 9


@pytest.mark.parametrize("webhook_id", ["msg_\0", "msg_\ud800"])
def test_one_bad_delivery_does_not_fail_its_neighbours(
    database: str, ledger: Ledger, webhook_id: str
) -> None:
    deliveries = renewals(range(1, 8))
    deliveries[3] = msgspec.structs.replace(deliveries[3], webhook_id=webhook_id, body=b"{}")
    with committing(ledger) as commit:
        commit(renewals(range(1)))
        answers = commit(deliveries)
    assert isinstance(answers.pop(3), PersistenceError)
    assert receipts(answers) == new(*range(2, 8))
    assert len(lines(database)) == 7


@pytest.mark.parametrize("heard_by", ["loop", "thread"])
@pytest.mark.parametrize("lost", ["message", "answer"])
def test_a_batch_that_is_lost_or_whose_answer_is_lost_ends_as_one_event_each(
    database: str,
    heard_by: Literal["loop", "thread"],
    lost: Literal["message", "answer"],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(LISTEN_S, GUARD_S if heard_by == "loop" else 0.0)
    deliveries = renewals(range(1, 11), streams=3)
    scissors = Scissors(b"msg_7", lost)
    with (
        cutting(database, scissors) as conninfo,
        Ledger(conninfo) as ledger,
        committing(ledger) as commit,
    ):
        assert commit(renewals(range(1))) == new(1)
        scissors.left = 1
        answers = receipts(commit(deliveries))
    assert scissors.left == 0
    assert [receipt.position for receipt in answers] == list(range(2, 12))
    assert {receipt.duplicate for receipt in answers} == {lost == "answer"}
    assert len(positions(database)) == 11


def test_backends_killed_at_random_under_load_lose_and_double_nothing(database: str) -> None:
    with ThreadPoolExecutor(3) as pool:
        killer = pool.submit(kill_at_random, database, KILLS, 5)
        one, other = pool.map(lambda of: commit_while(killer, database, of), ("one", "other"))
    stored = positions(database)
    assert stored.keys() == {(sent.webhook_id, sent.body) for sent in one.keys() | other.keys()}
    for delivery, position in (*one.items(), *other.items()):
        assert stored[delivery.webhook_id, delivery.body] == position
    assert broken_links(lines(database)) == []


def commit_while(killer: Future[None], database: str, of: str) -> dict[Delivery, int]:
    """Commit until all the kills are done; what gets an error is sent again, as Dodo does."""
    acknowledged: dict[Delivery, int] = {}
    number = 0 if of == "one" else 10**6
    waiting: list[Delivery] = []
    with Ledger(database) as ledger, committing(ledger) as commit:
        while waiting or not killer.done():
            waiting += renewals(range(number, number + 3), streams=9, of=of)
            number += 3
            pairs = list(zip(waiting, commit(waiting), strict=True))
            answered = {one: told.position for one, told in pairs if isinstance(told, Receipt)}
            acknowledged |= answered
            waiting = [one for one in waiting if one not in answered]
    return acknowledged
