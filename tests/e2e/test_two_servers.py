"""Two servers on one database: each webhook once, one of them follows, either answers."""

from __future__ import annotations

import itertools
import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import TYPE_CHECKING, TypeAlias

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from postgres.embedded import EmbeddedPostgres
from tests.support.embedded_users import home_of
from tests.support.evidence import check_log, check_read_models
from tests.support.log import positions
from tests.support.program import Program, posted, program
from tests.support.sender import Acknowledgement, Supply, Webhook, sending, simulated
from tests.support.waiting import GUARD_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CLIENTS_A_SERVER = 3

_numbers = itertools.count(1)

Pair: TypeAlias = tuple[Program, Program]


@pytest.fixture(scope="module")
def postgres(migrated_home: Path) -> Iterator[str]:
    """A durable cluster of these tests' own."""
    with home_of(None, migrated_home) as home, EmbeddedPostgres(home) as running:
        yield running.url


@pytest.fixture
def database(postgres: str) -> str:
    """A database without any table."""
    name = f"pair_{next(_numbers)}"
    with psycopg.connect(postgres, autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name} STRATEGY file_copy".encode())
    return make_conninfo(postgres, dbname=name)


@contextmanager
def two_servers(database: str, folder: Path) -> Iterator[Pair]:
    """Start two at once, so that both find the migrations to do."""
    with (
        program(folder / "one", DATABASE_URL=database) as one,
        program(folder / "other", DATABASE_URL=database) as other,
    ):
        one.begin()
        other.begin()
        one.await_listening()
        other.await_listening()
        yield one, other


def role(server: Program) -> str:
    return str(server.get("/readyz")["follower"])


def leader_first(servers: Pair) -> Pair:
    """Wait until one of them follows the log; the other must not."""
    until(lambda: "leading" in map(role, servers))
    leader, other = sorted(servers, key=role)
    assert (role(leader), role(other)) == ("leading", "standing by")
    return leader, other


def record(server: Program, webhook: Webhook) -> int:
    with server.client() as client:
        response = posted(client, webhook.body, webhook.webhook_id)
    assert response.status_code == 200
    return int(response.json()["position"])


def check_shown(server: Program, position: int) -> None:
    """Ask for what is as new as a position, on a busy machine perhaps more than once."""

    def is_shown() -> bool:
        with server.client() as client:
            response = client.get("/v1/payments", params={"min_position": position})
        assert response.status_code == 200 or response.json()["error"]["code"] == "not_yet"
        return response.status_code == 200

    until(is_shown)


def post_all(server: Program, webhooks: list[Webhook], together: Barrier) -> list[Acknowledgement]:
    answers = []
    with server.client() as client:
        for webhook in webhooks:
            together.wait(GUARD_S)
            response = posted(client, webhook.body, webhook.webhook_id)
            assert response.status_code == 200, response.text
            answer = response.json()
            answers.append(Acknowledgement(webhook, int(answer["position"]), answer["duplicate"]))
    return answers


def test_duplicates_sent_to_both_at_once_end_as_one_event(database: str, tmp_path: Path) -> None:
    webhooks = list(dict.fromkeys(simulated(6, seed=2)))[:120]
    together = Barrier(2 * CLIENTS_A_SERVER)
    with two_servers(database, tmp_path) as servers, ThreadPoolExecutor(8) as pool:
        posting = [
            pool.submit(post_all, server, webhooks, together)
            for server in servers
            for _ in range(CLIENTS_A_SERVER)
        ]
        answers = [future.result() for future in posting]
    for webhook, *of_webhook in zip(webhooks, *answers, strict=True):
        assert {answer.webhook for answer in of_webhook} == {webhook}
        assert len({answer.position for answer in of_webhook}) == 1
        assert [answer.duplicate for answer in of_webhook].count(False) == 1
    assert len(positions(database)) == len(webhooks)
    check_log(database, webhooks, [answer for of_client in answers for answer in of_client])


def test_when_the_leader_is_killed_the_other_takes_over_and_both_answer(
    database: str, tmp_path: Path
) -> None:
    chance = random.Random(3)
    *webhooks, second_last, last = dict.fromkeys(simulated(12, seed=18))
    with two_servers(database, tmp_path) as servers:
        leader, other = leader_first(servers)
        supply = Supply(webhooks)
        with sending(supply, lambda: chance.choice(servers).url) as sender:
            sender.until(len(webhooks) // 3)
            assert sender.sends
            leader.kill()
            supply.end()
        until(lambda: role(other) == "leading")
        check_shown(other, max(answer.position for answer in sender.acknowledged))
        leader.start()
        assert leader_first(servers) == (other, leader)
        for webhook, taker, asked in ((second_last, leader, other), (last, other, leader)):
            check_shown(asked, record(taker, webhook))
    check_log(database, [*webhooks, second_last, last], sender.acknowledged)
    check_read_models(database)
