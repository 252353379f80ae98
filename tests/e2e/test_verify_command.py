"""`raphus verify`: what it proves, what it prints, and its exit codes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.support.histories import said
from tests.support.http_server import SECRET, served
from tests.support.program import environment, raphus
from tests.support.projected import record
from tests.support.samples import samples

if TYPE_CHECKING:
    from pathlib import Path

OTHER = "whsec_" + "b3RoZXI="


@pytest.fixture
def env(database: str, tmp_path: Path) -> dict[str, str]:
    record(database, [said("subscription.active", n, subscription_id="sub_1") for n in range(9)])
    return environment(tmp_path / "home", DATABASE_URL=database)


def test_a_whole_log_is_told_with_its_head(env: dict[str, str]) -> None:
    head = raphus("verify", "--head", env=env).stdout.strip()
    ended = raphus("verify", "--against", head, env=env)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == ["the log is whole: 9 events", f"head: {head}"]


def test_a_changed_row_is_named(database: str, env: dict[str, str]) -> None:
    with psycopg.connect(database) as conn:
        conn.execute("UPDATE raphus.ledger_events SET topic = 'x' WHERE notification_id = 5")
    ended = raphus("verify", "--json", env=env)
    assert ended.returncode == 1
    told = json.loads(ended.stdout)
    assert (told["events"], told["fault"]["position"]) == (4, "5")
    assert "raphus: the log is not what was recorded" in ended.stderr


def test_a_log_that_was_shortened_does_not_contain_its_head(
    database: str, env: dict[str, str]
) -> None:
    head = raphus("verify", "--head", env=env).stdout.strip()
    with psycopg.connect(database) as conn:
        conn.execute("DELETE FROM raphus.ledger_events WHERE notification_id > 7")
    assert raphus("verify", env=env).returncode == 0
    ended = raphus("verify", "--against", head, env=env)
    assert ended.returncode == 2
    assert f"position 8: this log does not contain the head {head}: it ends at 7" in ended.stdout
    assert "the log is whole in itself: 7 events" in ended.stdout.splitlines()
    assert "this log never had the head given, or was shortened or rewritten" in ended.stderr
    assert "expected <position>:<hash>" in ended.stderr


def test_the_head_of_another_log_is_a_wrong_argument(env: dict[str, str]) -> None:
    ended = raphus("verify", "--against", "9:" + "ab" * 32, "--json", env=env)
    assert ended.returncode == 2
    told = json.loads(ended.stdout)
    assert (told["events"], told["fault"], told["missing"]["position"]) == (9, None, "9")
    assert "expected <position>:<hash>" in ended.stderr


def test_a_broken_chain_is_worse_than_a_head_that_is_not_there(
    database: str, env: dict[str, str]
) -> None:
    with psycopg.connect(database) as conn:
        conn.execute("UPDATE raphus.ledger_events SET topic = 'x' WHERE notification_id = 5")
    ended = raphus("verify", "--against", "3:" + "ab" * 32, env=env)
    assert ended.returncode == 1
    first, second, *_ = ended.stdout.splitlines()
    assert (first[:11], second[:11]) == ("position 5:", "position 3:")


def test_what_is_no_head_is_told_with_what_is_expected(env: dict[str, str]) -> None:
    ended = raphus("verify", "--against", "9:abc", env=env)
    assert ended.returncode == 2
    assert "<position>:<hash>" in ended.stderr


def test_signatures_are_checked_again_with_the_secrets_in_hand(
    database: str, tmp_path: Path
) -> None:
    with served(database) as server:
        for body in list(samples().values())[:3]:
            server.deliver(body)
    env = environment(tmp_path / "home", DATABASE_URL=database)
    for secrets, line in (
        (f"{OTHER},{SECRET}", "signatures: 3 verified, 0 not"),
        (OTHER, "signatures: 0 verified, 3 not"),
    ):
        ended = raphus("verify", "--signatures", env=env | {"DODO_PAYMENTS_WEBHOOK_KEY": secrets})
        assert ended.returncode == 0, ended.stderr
        assert line in ended.stdout.splitlines()
    without = {name: value for name, value in env.items() if name != "DODO_PAYMENTS_WEBHOOK_KEY"}
    ended = raphus("verify", "--signatures", env=without)
    assert ended.returncode == 2
    assert "DODO_PAYMENTS_WEBHOOK_KEY" in ended.stderr
