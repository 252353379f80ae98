"""The commands beside `serve`: what they print, and the exit codes that cron jobs look at."""

from __future__ import annotations

import json
import re
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest

from api.webhooks.endpoint import PATH
from postgres.embedded import EmbeddedPostgres
from tests.support.embedded_users import home_of, is_stopped
from tests.support.program import RAPHUS, Program, environment, installed, raphus, serving, unread
from tests.support.waiting import GUARD_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOREIGN_SECRET = "whsec_c29tZWJvZHkgZWxzZSdz"
COMMANDS = (
    "serve demo simulate migrate list show timeline explain refusals customer events audit"
    " rebuild verify backup restore routes windmill docs version"
).split()
SETTINGS = (
    "DODO_PAYMENTS_WEBHOOK_KEY RAPHUS_API_KEY DATABASE_URL RAPHUS_HOME HOST WINDMILL_BASE_URL"
    " WINDMILL_WORKSPACE WINDMILL_TOKEN RAPHUS_ROUTES"
).split()


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with home_of(None) as made:
        yield made


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[Program]:
    """A server with a small merchant's webhooks, which a command has posted."""
    with serving(home) as running:
        ended = raphus(*simulation(running), env=environment(home))
        assert ended.returncode == 0, ended.stderr
        yield running


@pytest.fixture(scope="module")
def demo_home() -> Iterator[Path]:
    with home_of(None) as made:
        yield made
        if not is_stopped(made / "demo"):
            EmbeddedPostgres(made / "demo").start().stop()


def simulation(server: Program) -> list[str]:
    return ["simulate", "--to", server.url + PATH, "--customers", "4", "--until", "2026-10-01"]


def test_help_names_every_command_and_setting_and_needs_none() -> None:
    ended = installed("--help", env={})
    assert (ended.returncode, ended.stderr) == (0, "")
    for name in COMMANDS + SETTINGS:
        assert re.search(rf"^ +{name}\b", ended.stdout, re.MULTILINE)


@pytest.mark.parametrize("arguments", ["", "events --limit 0", "demo --lost 2", "demo --until now"])
def test_wrong_usage_is_told_from_failure(tmp_path: Path, arguments: str) -> None:
    ended = raphus(*arguments.split(), env=environment(tmp_path))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("usage: raphus")
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_version_is_printed(tmp_path: Path) -> None:
    told = json.loads(installed("version", "--json", env=environment(tmp_path)).stdout)
    assert told.keys() == {"raphus", "python", "system"}
    plain = raphus("version", env=environment(tmp_path))
    assert (plain.returncode, plain.stdout) == (0, f"raphus {told['raphus']}\n")


def test_a_reader_that_has_seen_enough_is_no_failure(tmp_path: Path) -> None:
    assert unread("version", env=environment(tmp_path)) == (0, b"")


def test_what_is_simulated_twice_is_recorded_once(server: Program, home: Path) -> None:
    ended = raphus(*simulation(server), "--json", env=environment(home))
    assert ended.returncode == 0, ended.stderr
    tally = json.loads(ended.stdout)
    assert tally["duplicates"] > 0
    assert {tally[name] for name in ("recorded", "refused", "failed")} == {0}
    assert tally["lost"] == []


def test_a_simulation_that_is_not_accepted_fails_and_says_why(server: Program, home: Path) -> None:
    env = environment(home, DODO_PAYMENTS_WEBHOOK_KEY=FOREIGN_SECRET)
    ended = raphus(*simulation(server), env=env)
    assert ended.returncode == 1
    assert "answered 401" in ended.stdout
    assert ended.stderr.endswith("raphus: not every webhook was accepted\n")


def test_the_log_is_printed_while_the_server_runs(server: Program, home: Path) -> None:
    listed = server.get("/v1/events", limit=100, type="payment.succeeded")["items"]
    asking = ["events", "--type", "payment.succeeded", "--limit", "100"]
    ended = raphus(*asking, "--json", env=environment(home))
    assert ended.returncode == 0, ended.stderr
    assert list(map(json.loads, ended.stdout.splitlines())) == listed
    assert len(listed) > 1
    plain = raphus(*asking, env=environment(home))
    assert plain.returncode == 0
    assert [line.split()[1] for line in plain.stdout.splitlines()] == [
        event["webhook_id"] for event in listed
    ]


def test_the_log_is_printed_as_it_was(server: Program, home: Path) -> None:
    third = server.get("/v1/events", limit=3)["items"][-1]
    ended = raphus("events", "--known-at", third["recorded_at"], "--json", env=environment(home))
    known = [json.loads(line) for line in ended.stdout.splitlines()]
    assert {event["recorded_at"] <= third["recorded_at"] for event in known} == {True}
    assert third in known
    none = raphus("events", "--as-of", "2020-01-01T00:00:00Z", env=environment(home))
    assert (none.returncode, none.stdout) == (0, "")


def test_a_database_is_migrated_once(home: Path, server: Program) -> None:
    assert server.runs
    ended = raphus("migrate", "--json", env=environment(home))
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert told["applied"] == []
    with psycopg.connect(told["embedded_url"]) as conn:
        assert conn.execute("SELECT count(*) > 0 FROM raphus.ledger_events").fetchone() == (True,)
    assert told["embedded_url"] in raphus("migrate", env=environment(home)).stdout


def test_the_address_of_a_database_of_ones_own_is_not_printed(
    database: str, tmp_path: Path
) -> None:
    env = environment(tmp_path, DATABASE_URL=database)
    assert json.loads(raphus("migrate", "--json", env=env).stdout)["embedded_url"] is None
    assert raphus("migrate", env=env).stdout == "nothing to do\n"


def test_a_stale_page_of_state_machines_is_found(tmp_path: Path) -> None:
    page = tmp_path / "pages" / "machines.md"
    asked, env = ("docs", "--path", str(page)), environment(tmp_path)
    assert raphus(*asked, "--write", env=env).returncode == 0
    page.write_text(page.read_text("utf-8") + "edited by hand\n", "utf-8")
    ended = raphus(*asked, "--check", env=env)
    assert ended.returncode == 1
    assert "is stale" in ended.stderr


def test_the_demo_shows_what_there_is_until_now_and_ends(demo_home: Path) -> None:
    began_at = datetime.now(UTC).replace(microsecond=0)
    play = ["--exit", "--customers", "20", "--lost", "0.1"]
    ended = raphus("demo", *play, env=demo_environment(demo_home))
    assert ended.returncode == 0, ended.stderr
    shown = ended.stdout
    (sent, recorded, duplicates) = map(
        int, re.findall(r"^(\d+) sent, (\d+) recorded, (\d+) duplicates", shown, re.MULTILINE)[0]
    )
    assert sent == recorded + duplicates > recorded > 0
    (until,) = re.findall(r"life, --seed 1 --until (\S+)", shown)
    assert began_at <= datetime.fromisoformat(until) <= datetime.now(UTC)
    (lost,) = map(int, re.findall(r"events, (\d+) lost on the way", shown))
    found = map(int, re.findall(r"(\d+) objects? (?:with webhooks|that only Dodo)", shown))
    assert 0 < sum(found) <= lost
    drifting = map(int, re.findall(r"Of (\d+) objects? Dodo last said something else", shown))
    assert [*drifting][1:] == [0]
    for kind in ("subscriptions", "payments", "refunds", "disputes", "license keys"):
        assert re.search(rf"^ *{kind} +[1-9]", shown, re.MULTILINE), shown
    urls = re.findall(r"curl '(http://127\.0\.0\.1:\d+/\S+)'", shown)
    assert {"readyz", "metrics", "openapi.json"} < {url.rpartition("/")[2] for url in urls}
    assert is_stopped(demo_home / "demo")


def test_the_demo_stays_up_and_answers_at_the_addresses_that_it_shows(demo_home: Path) -> None:
    with subprocess.Popen(
        [RAPHUS, "demo", "--customers", "2"],
        env=demo_environment(demo_home),
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        try:
            assert process.stdout is not None
            shown = []
            for line in process.stdout:
                shown.append(line)
                if "Ctrl-C" in line:
                    break
            urls = re.findall(r"curl '(http\S+)'", "".join(shown))
            assert len(urls) > 6
            for url in urls:
                assert httpx.get(url, trust_env=False, timeout=GUARD_S).status_code == 200
            (console,) = re.findall(r"Open (http\S+/) in a browser", "".join(shown))
            assert "<h1>" in httpx.get(console, trust_env=False, timeout=GUARD_S).text
            process.terminate()
            assert process.wait(GUARD_S) == 0
        finally:
            process.kill()
    assert is_stopped(demo_home / "demo")


def demo_environment(home: Path) -> dict[str, str]:
    """An environment without a secret, and with a key and a database that are not the demo's."""
    others = {"RAPHUS_API_KEY": "not-used-by-the-demo", "DATABASE_URL": "postgresql://nowhere/"}
    return environment(home, DODO_PAYMENTS_WEBHOOK_KEY="", PYTHONUNBUFFERED="1", **others)
