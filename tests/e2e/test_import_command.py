"""`raphus import` and `raphus reconcile` as a user types them, and killed at any moment."""

from __future__ import annotations

import json
import random
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.announcing import announced
from tests.support.dodo_stand_in import KEY, saying, standing_in
from tests.support.log import broken_links, lines, told_to_us
from tests.support.program import begun, environment, program, raphus
from tests.support.reconciled import DAYS, delivered, entities, imported, varied_merchant
from tests.support.waiting import GUARD_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.dodo_stand_in import DodoStandIn

OCCURRENCES: Final = varied_merchant()
KILLS: Final = 3


@contextmanager
def asked(database: str, home: Path, **more: str) -> Iterator[tuple[DodoStandIn, dict[str, str]]]:
    """A stand-in for Dodo, and the environment of commands that ask it."""
    with standing_in(OCCURRENCES) as dodo:
        settings = {
            "DATABASE_URL": database,
            "DODO_PAYMENTS_API_KEY": KEY,
            "DODO_PAYMENTS_ENVIRONMENT": "test_mode",
            "DODO_PAYMENTS_BASE_URL": dodo.url,
            "RAPHUS_DODO_REQUESTS_PER_MINUTE": "5000",
            **more,
        }
        yield dodo, environment(home, **settings)


@pytest.mark.long
def test_an_import_that_is_killed_at_any_moment_goes_on(database: str, tmp_path: Path) -> None:
    chance = random.Random(7)
    with asked(database, tmp_path / "home") as (dodo, env):
        for _ in range(KILLS):
            before = len(dodo.asked)
            enough = before + chance.randint(3, 40)
            with begun("import", env=env) as process:
                until(lambda: len(dodo.asked) >= enough or process.poll() is not None)  # noqa: B023
        ended = raphus("import", "--json", env=env)
        assert ended.returncode == 0, ended.stderr
        assert KEY not in ended.stderr
        told = json.loads(ended.stdout)
        assert told["payments"]["objects"] > 0
        log = told_to_us(database)
        assert broken_links(lines(database)) == []
        assert [one["type"] for one in announced(database)] == ["import.finished"]
        again = imported(database, dodo)
    assert [count for count in again.values() if count.news] == []
    assert told_to_us(database) == log, "nothing was lost, and nothing is there twice"
    assert {kind for kind, _ in entities(database)} >= {"subscription", "credit", "dispute"}


def test_a_check_is_for_cron_and_a_reconciliation_mends(database: str, tmp_path: Path) -> None:
    delivered(database, [one for one in OCCURRENCES if one.type != "refund.succeeded"])
    before = lines(database)
    days = ("--days", str(DAYS))
    with asked(database, tmp_path / "home") as (_, env):
        checked = raphus("reconcile", "--check", *days, env=env)
        assert checked.returncode == 1
        assert "something was lost" in checked.stderr
        assert "refund.succeeded" in checked.stdout
        assert lines(database) == before
        mended = raphus("reconcile", *days, "--json", env=env)
        assert mended.returncode == 0, mended.stderr
        report = json.loads(mended.stdout)
        assert {one["types"][0] for one in report["findings"] if one["kind"] == "refund"} == {
            "refund.succeeded"
        }
        assert raphus("reconcile", "--check", *days, env=env).returncode == 0
        last = raphus("reconcile", "--last", "--json", env=env)
        assert json.loads(last.stdout)["findings"] == report["findings"]
        assert "replay refund.succeeded" in raphus("reconcile", "--last", env=env).stdout


@pytest.mark.parametrize(
    ("settings", "code", "told"),
    [
        ({"DODO_PAYMENTS_API_KEY": ""}, 2, "DODO_PAYMENTS_API_KEY is not set"),
        ({"DODO_PAYMENTS_ENVIRONMENT": ""}, 2, "neither test_mode nor live_mode"),
        ({"DODO_PAYMENTS_API_KEY": "another-key"}, 2, "a key of live mode"),
    ],
)
def test_what_keeps_it_from_beginning_is_told(
    database: str, tmp_path: Path, settings: dict[str, str], code: int, told: str
) -> None:
    with asked(database, tmp_path / "home", **settings) as (_, env):
        ended = raphus("import", env=env)
    assert ended.returncode == code
    assert told in ended.stderr
    assert "another-key" not in ended.stderr
    assert lines(database) == []


def test_a_page_that_cannot_be_read_is_told_with_how_to_go_on(
    database: str, tmp_path: Path
) -> None:
    with asked(database, tmp_path / "home") as (dodo, env):
        dodo.broken["/refunds"] = saying(200, b"<html>")
        ended = raphus("import", env=env)
        assert ended.returncode == 1
        assert "GET /refunds" in ended.stderr
        assert "raphus import goes on from there" in ended.stderr
        del dodo.broken["/refunds"]
        payments = dodo.paths.count("/payments")
        assert raphus("import", env=env).returncode == 0
        assert dodo.paths.count("/payments") == payments, "what was read is not read again"


@pytest.mark.long
def test_a_server_with_a_key_reconciles_by_itself(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with standing_in(OCCURRENCES) as dodo:
        settings = {
            "DODO_PAYMENTS_API_KEY": KEY,
            "DODO_PAYMENTS_ENVIRONMENT": "test_mode",
            "DODO_PAYMENTS_BASE_URL": dodo.url,
            "RAPHUS_DODO_REQUESTS_PER_MINUTE": "5000",
        }
        with program(home, **settings) as server:
            server.start()
            until(lambda: "reconciled with Dodo" in server.said, limit_s=2 * GUARD_S)
            (run,) = server.get("/v1/reconciliations")["items"]
            assert run["ended_at"] is not None
            assert run["problem"] is None
            assert run["outcomes"]["unknown"] > 0
            until(lambda: server.get("/v1/subscriptions")["items"])
            assert "httpx" not in server.said
        assert KEY not in server.said
        assert "@example" not in server.said
