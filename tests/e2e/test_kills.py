"""Kill -9 under load: of the server, of PostgreSQL, of both, at any moment. Nothing is lost."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import pytest

from postgres.embedded import EmbeddedPostgres
from tests.support.embedded_users import home_of, is_stopped, kill
from tests.support.evidence import check_log, check_read_models, quoted
from tests.support.http_server import SECRET
from tests.support.program import has_caught_up, postmaster_of, program
from tests.support.sender import NO_ANSWER, Supply, sending, simulated
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.program import Program

MOMENT_S = 0.03
"""About as long as a few commits take: a kill meets any of their steps."""


def kill_server(server: Program, _home: Path) -> None:
    server.kill()
    server.start()


def kill_postgres(server: Program, home: Path) -> None:
    before = deaths_told(server, home)
    kill(postmaster_of(home))
    # Its sessions may go on for a moment, in which the next strike would hide this one.
    until(lambda: deaths_told(server, home) > before)


def deaths_told(server: Program, home: Path) -> int:
    return all_said(server, home).count("PostgreSQL had died")


def all_said(server: Program, home: Path) -> str:
    return server.said + (home / "postgres" / "log").read_text("utf-8")


def kill_both(server: Program, home: Path) -> None:
    postmaster = postmaster_of(home)
    server.kill()
    kill(postmaster)
    server.start()


def kill_both_postgres_first(server: Program, home: Path) -> None:
    kill(postmaster_of(home))
    server.kill()
    server.start()


KILLS: list[Callable[[Program, Path], None]] = [
    kill_server,
    kill_server,
    kill_postgres,
    kill_postgres,
    kill_both,
    kill_both,
    kill_both_postgres_first,
]


@pytest.mark.long
@pytest.mark.parametrize("seed", [1])
def test_what_was_acknowledged_is_there_once_whatever_is_killed(
    migrated_home: Path, seed: int
) -> None:
    chance = random.Random(seed)
    kills = chance.sample(KILLS, len(KILLS))
    webhooks = simulated(24, seed)
    with home_of(None, migrated_home) as home:
        with program(home) as server:
            server.start()
            supply = Supply(webhooks)
            with sending(supply, lambda: server.url) as sender:
                for strike in kills:
                    sender.until(len(sender.acknowledged) + chance.randint(10, 90))
                    time.sleep(chance.uniform(0, MOMENT_S))
                    assert sender.sends
                    strike(server, home)
                supply.end()
            with server.client() as client:
                until(lambda: has_caught_up(client))
        assert is_stopped(home)
        said = all_said(server, home)
        with EmbeddedPostgres(home) as database:
            check_log(database.url, webhooks, sender.acknowledged)
            check_read_models(database.url)
    assert {acknowledged.webhook for acknowledged in sender.acknowledged} == set(webhooks)
    assert sender.failed[NO_ANSWER] > 0, "no kill was noticed"
    assert quoted(said, [webhook.body for webhook in webhooks]) == set()
    assert SECRET not in said
    assert "Traceback" not in said
