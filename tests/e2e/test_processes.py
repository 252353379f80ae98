"""The server as several processes: what is of all of them, and what becomes of the others."""

from __future__ import annotations

import os
import re
import signal
import time
from collections import Counter
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx
import pytest

from postgres.embedded import EmbeddedPostgres
from telemetry.heartbeat import EVERY_S
from tests.support.embedded_users import home_of, is_stopped, kill
from tests.support.evidence import check_log, quoted
from tests.support.http_server import SECRET
from tests.support.program import (
    Program,
    copied_code,
    environment,
    has_caught_up,
    has_ended,
    posted,
    processes_of,
    program,
    raphus,
    serving,
)
from tests.support.sender import Supply, Webhook, sending, simulated
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKERS: Final = 2
REQUESTS, FOLLOWS, STARTS = "takes requests", "follows the log", "starts Windmill's jobs"
WEBHOOKS: Final = simulated(8, seed=7)
ROUTES: Final = """
[[route]]
name = "none"
on = ["payout.failed"]
script = "f/raphus/none"
"""
WINDMILL: Final = {
    "WINDMILL_BASE_URL": "http://127.0.0.1:9",
    "WINDMILL_WORKSPACE": "shop",
    "WINDMILL_TOKEN": "nobody-asks-for-it",
}
HANGS_S: Final = 6.0
"""In place of what it is for merchants: still long for whoever works, on a busy machine."""
DEADLOCK: Final = """

def _deadlocked(*_: object) -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def _hang(*_signal: object) -> None:
    if any(isinstance(thread, BeatingThread) for thread in threading.enumerate()):
        BeatingThread.__setattr__ = _deadlocked
    else:
        _deadlocked()


signal.signal(signal.SIGUSR2, _hang)
"""
"""A defect: who is sent SIGUSR2 hangs for good. Where a thread follows the log it is that
thread alone, when it is about to beat."""
_COUNTED: Final = re.compile(
    r'^raphus_deliveries_total\{outcome="(\w+)",type="[^"]*"\} (\d+)', re.MULTILINE
)


@pytest.fixture(scope="module")
def home(migrated_home: Path) -> Iterator[Path]:
    """The home of the server."""
    with home_of(None, migrated_home) as home:
        yield home


@pytest.fixture(scope="module")
def server(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A server of two workers, a follower and workflows; one that hangs is noticed soon."""
    folder = tmp_path_factory.mktemp("server")
    routes = folder / "windmill.toml"
    routes.write_text(ROUTES, "utf-8")
    settings = {"RAPHUS_ROUTES": str(routes), "RAPHUS_WORKERS": str(WORKERS), **WINDMILL}
    with program(home, PYTHONPATH=str(hanging_code(folder)), **settings) as running:
        running.is_installed = True  # what has been loaded already is not what was changed
        running.start()
        yield running


def hanging_code(folder: Path) -> Path:
    """Copy what tells who hangs: it does so sooner, and there is a way to hang."""
    code = copied_code(folder / "code", "telemetry")
    path = code / "telemetry" / "heartbeat.py"
    line = re.compile(r"^((THREAD_)?HANGS_S: Final) = .+$", re.MULTILINE)
    text, count = line.subn(rf"\1 = {HANGS_S}", path.read_text("utf-8"))
    assert count == 2
    path.write_text(text + DEADLOCK, "utf-8")
    return code


def counted(server: Program) -> Counter[str]:
    """Ask whoever takes the connection what became of webhooks."""
    with server.client() as client:
        text = client.get("/metrics").text
    found: Counter[str] = Counter()
    for outcome, count in _COUNTED.findall(text):
        found[outcome] += int(count)
    return found


def delivered(number: int) -> Webhook:
    return Webhook(f"msg_{number}", WEBHOOKS[number % len(WEBHOOKS)].body)


def deliver(server: Program, number: int) -> int:
    with server.client() as client:
        webhook = delivered(number)
        response = posted(client, webhook.body, webhook.webhook_id)
    assert response.status_code == 200
    return int(response.json()["position"])


def test_whatever_worker_is_asked_tells_of_all(server: Program) -> None:
    positions = [deliver(server, number) for number in range(20)]
    assert sorted(positions) == list(range(1, 21))
    for _ in range(8):
        assert counted(server)["recorded"] == len(positions)
        assert server.get("/v1/events", min_position=max(positions), limit=1)["items"]
    with server.client() as client:
        until(lambda: has_caught_up(client))
        told = client.get("/metrics").text
    names = {*re.findall(r'process_resident_memory_bytes\{process="([^"]+)"\}', told)}
    assert names == {"worker 1", "worker 2", "follower", "workflows", "supervisor"}
    assert sum(map(int, re.findall(r"raphus_facts_total\{.*\} (\d+)", told))) > 0


def test_what_was_counted_is_counted_on_when_processes_die(server: Program) -> None:
    before = counted(server)["recorded"]
    for number, what in enumerate((REQUESTS, REQUESTS, FOLLOWS)):
        pid = processes_of(server, what)[0]
        kill(pid)
        deliver_in_time(server, 100 + number)
        until(partial(has_another, server, what, pid))
    assert counted(server)["recorded"] == before + 3
    with server.client() as client:
        until(lambda: client.get("/readyz").json().get("warnings") == {})


def deliver_in_time(server: Program, number: int) -> None:
    """Send a webhook again until it is taken: connections of who was killed are lost."""

    def is_taken() -> bool:
        with suppress(httpx.TransportError):
            deliver(server, number)
            return True
        return False

    until(is_taken)


def has_another(server: Program, what: str, pid: int) -> bool:
    pids = processes_of(server, what)
    return pid not in pids and len(pids) == (WORKERS if what == REQUESTS else 1)


def test_it_is_not_ready_while_nobody_follows_the_log(server: Program) -> None:
    def is_seen(client: httpx.Client) -> bool:
        # Another one follows soon: it may have been there before anybody looked.
        for pid in processes_of(server, FOLLOWS):
            kill(pid)
        return client.get("/readyz").status_code == 503

    with server.client() as client:
        until(lambda: is_seen(client))
        until(lambda: client.get("/readyz").status_code == 200)
        until(lambda: client.get("/readyz").json()["follower"] == "leading")


@pytest.mark.long
def test_those_that_are_stopped_are_replaced_and_webhooks_go_on_meanwhile(
    server: Program, home: Path
) -> None:
    supply = Supply(WEBHOOKS[:60], pace_s=0.1)
    with sending(supply, lambda: server.url) as sender:
        sender.until(8)
        stopped = {what: processes_of(server, what)[0] for what in (REQUESTS, FOLLOWS, STARTS)}
        for pid in stopped.values():
            os.kill(pid, signal.SIGSTOP)
        deliver(server, 200)
        assert not has_ended(stopped[REQUESTS]), "a webhook has waited for a replacement"
        for what, pid in stopped.items():
            until(partial(has_another, server, what, pid))
        sender.until(len(sender.acknowledged) + 8)
        supply.end()
    with server.client() as client:
        until(lambda: has_caught_up(client))
        until(lambda: client.get("/readyz").json().get("warnings") == {})
    said = server.said
    for what in stopped:
        assert re.search(rf", the process that {what}, has not moved for \d+ s, ", said)
    with EmbeddedPostgres(home) as database:
        sent = [*WEBHOOKS, *map(delivered, range(300))]
        check_log(database.url, sent, sender.acknowledged)


@pytest.mark.long
def test_those_that_are_deadlocked_are_replaced_and_the_log_tells_where_they_were(
    server: Program,
) -> None:
    hung = {what: processes_of(server, what)[0] for what in (REQUESTS, FOLLOWS)}
    for pid in hung.values():
        os.kill(pid, signal.SIGUSR2)
    for what, pid in hung.items():
        until(partial(has_another, server, what, pid))
    told = re.findall(r" in _deadlocked$\n.+ in (\w+)$", server.said, re.MULTILINE)
    assert told[0] == "_hang", "the event loop of a worker"
    assert told[1] == "beat", "the thread of the follower, whose other one went on"
    assert quoted(server.said, [webhook.body for webhook in WEBHOOKS]) == set()
    assert SECRET not in server.said


@pytest.mark.long
def test_nobody_is_blamed_for_a_sleep_of_all(server: Program) -> None:
    pids = [server.pid, *processes_of(server)]
    said_before = len(server.said)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(1.2 * HANGS_S)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
        # Nobody else moves before the supervisor has looked.
        time.sleep(1.5 * EVERY_S if pid == server.pid else 0)
    deliver(server, 300)
    assert processes_of(server) == pids[1:]
    assert "has not moved" not in server.said[said_before:]


@pytest.mark.parametrize("workers", ["", str(WORKERS)], ids=["by default", str(WORKERS)])
def test_told_to_end_under_load_all_end_in_order(migrated_home: Path, workers: str) -> None:
    with home_of(None, migrated_home) as home:
        with program(home, RAPHUS_WORKERS=workers) as server:
            server.start()
            with sending(WEBHOOKS * 50, lambda: server.url) as sender:
                sender.until(60)
                assert sender.sends
                pids = processes_of(server)
                server.signal(signal.SIGINT)
                server.signal(signal.SIGTERM)
                assert server.wait() == 0
                sender.give_up()
            said = server.said
        assert said.splitlines()[-1].endswith("stopped")
        assert "Traceback" not in said
        assert SECRET not in said
        assert all(map(has_ended, pids))
        assert is_stopped(home)
        with EmbeddedPostgres(home) as database:
            check_log(database.url, WEBHOOKS, sender.acknowledged)


def test_processes_whose_supervisor_is_killed_end_and_leave_its_address_free(
    migrated_home: Path,
) -> None:
    with home_of(None, migrated_home) as home, serving(home, RAPHUS_WORKERS=str(WORKERS)) as server:
        pids = processes_of(server)
        server.kill()
        port = server.url.rpartition(":")[2]
        with program(home, RAPHUS_WORKERS="1", PORT=port) as successor:
            successor.start()
            assert successor.get("/healthz") == {"status": "ok"}
            until(lambda: all(map(has_ended, pids)))


def test_a_server_of_which_a_process_cannot_begin_ends_and_says_so(
    migrated_home: Path, tmp_path: Path
) -> None:
    code = copied_code(tmp_path / "code", "console")
    (code / "console" / "catalogue.py").write_text("raise RuntimeError('a defect')\n")
    with home_of(None, migrated_home) as home:
        env = environment(home, RAPHUS_WORKERS="1")
        ended = raphus("serve", env=env, code=code)
        assert ended.returncode == 1
        assert ended.stderr.splitlines()[-1].startswith("raphus: ")
        assert "the log tells why" in ended.stderr.splitlines()[-1]
        assert is_stopped(home)


@pytest.mark.skipif(not Path("/proc").exists(), reason="other systems do not tell")
def test_no_process_begins_with_a_secret_in_its_environment(server: Program) -> None:
    for pid in processes_of(server):
        environ = Path(f"/proc/{pid}/environ")
        if os.access(environ, os.R_OK):  # root may look; to others it is concealed
            assert SECRET.encode() not in environ.read_bytes()
            assert SECRET.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
