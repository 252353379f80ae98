"""The command line, as its users run it: what it prints, how it ends, and what it keeps quiet."""

from __future__ import annotations

import json
import signal
import socket
from importlib import metadata
from pathlib import Path

import httpx
import pytest
from psycopg.conninfo import make_conninfo

from api.webhooks import PATH
from tests.http_server import SECRET, signed
from tests.programs import LIMIT_S, environment, raphus, serving
from tests.samples import samples

KEY = "a-key-of-thirty-two-characters-0"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "DODO_PAYMENTS_WEBHOOK_KEY is not set"),
        ({"DODO_PAYMENTS_WEBHOOK_KEY": "hunter2!"}, "DODO_PAYMENTS_WEBHOOK_KEY: secret 1"),
        ({"DODO_PAYMENTS_WEBHOOK_KEY": SECRET, "HOST": "0.0.0.0"}, "RAPHUS_API_KEY is not set"),
        ({"DATABASE_URL": "mysql://hunter2!@x"}, "DATABASE_URL is not"),
    ],
)
def test_settings_that_cannot_be_used_end_it_with_2_and_are_named_but_not_quoted(
    settings: dict[str, str], told: str
) -> None:
    ended = raphus("serve", environ=environment(**settings))
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"raphus: {told}")
    assert "Traceback" not in ended.stderr
    assert "hunter2" not in ended.stderr + ended.stdout


@pytest.mark.parametrize("arguments", [[], ["serve", "--port", "x"]])
def test_wrong_usage_ends_it_with_2(arguments: list[str]) -> None:
    ended = raphus(*arguments, environ=environment())
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "usage: raphus" in ended.stderr


def test_a_database_that_does_not_answer_ends_it_with_1_and_keeps_the_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    url = f"postgresql://user:hunter2@127.0.0.1:{port}/nothing"
    settings = environment(DODO_PAYMENTS_WEBHOOK_KEY=SECRET, PORT="0", DATABASE_URL=url)
    ended = raphus("serve", environ=settings)
    assert ended.returncode == 1
    assert "raphus: the database cannot be used: " in ended.stderr
    assert "hunter2" not in ended.stderr


def test_a_port_that_is_taken_ends_it_with_1(database: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        settings = environment(DODO_PAYMENTS_WEBHOOK_KEY=SECRET, PORT=port, DATABASE_URL=database)
        ended = raphus("serve", environ=settings)
    assert ended.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(number: signal.Signals, database: str, tmp_path: Path) -> None:
    with serving(tmp_path / "log", DATABASE_URL=database) as program:
        program.process.send_signal(number)
        assert program.process.wait(LIMIT_S) == 0
        assert program.said().rstrip().endswith("stopped")


def test_its_log_tells_why_something_was_refused_and_holds_nothing_of_what_was_sent(
    database: str, tmp_path: Path
) -> None:
    with serving(tmp_path / "log", DATABASE_URL=database, RAPHUS_API_KEY=KEY) as program:
        with httpx.Client(base_url=program.url, trust_env=False) as client:
            for name, body in samples().items():
                accepted = client.post(PATH, content=body, headers=signed(body, name))
                assert accepted.status_code == 200
            forged = signed(b"{}", "msg_forged")
            assert client.post(PATH, content=body, headers=forged).status_code == 401
            assert client.get("/v1/payments").status_code == 401
        said = program.said()
    assert "a webhook was refused: 401, no signature matches the body" in said
    # The samples' customers have addresses at these two names.
    for kept in ("@example", "@", SECRET.removeprefix("whsec_"), KEY, "msg_forged", "customer_id"):
        assert kept not in said


def test_events_are_listed_as_lines_and_as_json(database: str, tmp_path: Path) -> None:
    with serving(tmp_path / "log", DATABASE_URL=database) as program:
        for name in ("payment.succeeded", "payout.created", "dispute.opened"):
            body = samples()[name]
            httpx.post(
                program.url + PATH, content=body, headers=signed(body, name), trust_env=False
            )
        told = httpx.get(program.url + "/v1/events", trust_env=False).json()["items"]
    environ = environment(DATABASE_URL=database)
    lines = raphus("events", "--json", environ=environ).stdout.splitlines()
    assert [json.loads(line) for line in lines] == told
    chosen = raphus("events", "--type", "payout.created", "--after", "1", environ=environ)
    assert [line.split()[:3] for line in chosen.stdout.splitlines()] == [
        ["2", *["payout.created"] * 2]
    ]


def test_migrate_applies_what_is_pending_once(cluster: str, database: str) -> None:
    environ = environment(DATABASE_URL=database)
    assert json.loads(raphus("migrate", "--json", environ=environ).stdout) == {"applied": []}
    missing = environment(DATABASE_URL=make_conninfo(cluster, dbname="no_such_database"))
    assert raphus("migrate", environ=missing).returncode == 1


def test_docs_are_written_and_then_found_up_to_date_until_somebody_edits_them(
    tmp_path: Path,
) -> None:
    page = tmp_path / "docs" / "page.md"
    path, environ = str(page), environment()
    assert raphus("docs", "--path", path, environ=environ).returncode == 0
    assert raphus("docs", "--check", "--path", path, environ=environ).returncode == 0
    page.write_text(page.read_text("utf-8") + "x", "utf-8")
    assert raphus("docs", "--check", "--path", path, environ=environ).returncode == 1


def test_the_version_is_told() -> None:
    told = raphus("version", "--json", environ=environment()).stdout
    assert json.loads(told)["raphus"] == metadata.version("raphus")


def test_the_player_fills_a_server(database: str, tmp_path: Path) -> None:
    with serving(tmp_path / "log", DATABASE_URL=database) as program:
        environ = environment(DODO_PAYMENTS_WEBHOOK_KEY=SECRET)
        play = ["simulate", "--to", program.url + PATH, "--customers", "2", "--json"]
        first, again = (raphus(*play, environ=environ) for _ in range(2))
        ready = httpx.get(program.url + "/readyz", trust_env=False).json()
    assert (first.returncode, again.returncode) == (0, 0)
    assert json.loads(first.stdout)["recorded"] == int(ready["log_position"]) > 0
    assert json.loads(again.stdout)["recorded"] == 0


def test_the_player_fails_where_nobody_accepts_what_it_sends(database: str, tmp_path: Path) -> None:
    with serving(tmp_path / "log", DATABASE_URL=database) as program:
        environ = environment(DODO_PAYMENTS_WEBHOOK_KEY="whsec_b3RoZXIgc2VjcmV0IG9mIHRlc3Rz")
        play = ["simulate", "--to", program.url + PATH, "--customers", "1"]
        ended = raphus(*play, environ=environ)
    assert ended.returncode == 1
    assert "answered 401" in ended.stdout


def test_the_demo_shows_what_there_is_to_see(tmp_path: Path) -> None:
    environ = environment(RAPHUS_HOME=str(tmp_path))
    ended = raphus("demo", "--customers", "8", "--port", "0", "--exit", environ=environ)
    assert ended.returncode == 0, ended.stderr
    for told in ("subscriptions", "license keys", "drift", "refused", "curl 'http://127.0.0.1:"):
        assert told in ended.stdout
    assert "Traceback" not in ended.stderr
