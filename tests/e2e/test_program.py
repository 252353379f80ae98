"""The program's beginning and end: what it does not start without, and how it stops."""

from __future__ import annotations

import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from itertools import cycle
from signal import SIGINT, SIGTERM
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from ledger.application import PATIENCE_S
from postgres.embedded import EmbeddedPostgres
from tests.support.embedded_users import home_of, is_stopped
from tests.support.evidence import check_log
from tests.support.http_server import SECRET
from tests.support.log import positions
from tests.support.program import Program, environment, posted, program, raphus, serving
from tests.support.sender import NO_ANSWER, THREADS, Webhook, sending, simulated
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future
    from pathlib import Path
    from signal import Signals

WEBHOOKS = simulated(8, seed=5)


@pytest.fixture(scope="module")
def home(migrated_home: Path) -> Iterator[Path]:
    """A home with a database, in which nothing runs between the tests."""
    with home_of(None, migrated_home) as made:
        yield made


@pytest.mark.parametrize(
    ("settings", "named", "told"),
    [
        ({"DODO_PAYMENTS_WEBHOOK_KEY": ""}, "DODO_PAYMENTS_WEBHOOK_KEY", "is not set"),
        ({"DODO_PAYMENTS_WEBHOOK_KEY": "whsec_no+base 64"}, "DODO_PAYMENTS_WEBHOOK_KEY", "base64"),
        ({"DODO_PAYMENTS_WEBHOOK_KEY": f"{SECRET},"}, "DODO_PAYMENTS_WEBHOOK_KEY", "secret 2"),
        ({"RAPHUS_API_KEY": "easily-guessed"}, "RAPHUS_API_KEY", "fewer than 16"),
        ({"DATABASE_URL": "http://secret@db"}, "DATABASE_URL", "not a URL of PostgreSQL"),
    ],
)
def test_it_does_not_start_with_a_setting_that_cannot_be_used(
    tmp_path: Path, settings: dict[str, str], named: str, told: str
) -> None:
    ended = raphus("serve", env=environment(tmp_path / "home", **settings))
    assert ended.returncode == 2
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith("raphus: ")
    assert named in line
    assert told in line
    assert not any(value in line for value in settings.values() if value)
    assert not (tmp_path / "home").exists()


def test_it_does_not_start_where_another_program_listens(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        ended = raphus("serve", "--port", port, env=environment(tmp_path / "home"))
    assert ended.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in ended.stderr


def test_it_does_not_start_without_the_database_that_it_is_told_to_use(tmp_path: Path) -> None:
    url = "postgresql://merchant:pass-word@127.0.0.1:1/raphus"
    ended = raphus("serve", env=environment(tmp_path / "home", DATABASE_URL=url))
    assert ended.returncode == 1
    assert "the database cannot be used" in ended.stderr
    assert "pass-word" not in ended.stderr


def test_told_to_end_while_it_makes_its_database_it_leaves_nothing_running() -> None:
    with home_of(None) as new_home, program(new_home) as server:
        server.is_installed = True
        server.begin()
        until((new_home / "postgres" / "data.unfinished" / "base").exists)
        assert server.stop() == 130
        assert is_stopped(new_home)


@pytest.mark.parametrize("number", [SIGTERM, SIGINT], ids=lambda number: number.name)
def test_told_to_end_under_load_it_ends_in_order(home: Path, number: Signals) -> None:
    with program(home) as server:
        server.is_installed = True
        server.start()
        with sending(cycle(WEBHOOKS), lambda: server.url) as sender:
            sender.until(40)
            assert sender.sends
            server.signal(number)
            assert server.wait() == 0
            sender.give_up()
        assert server.said.splitlines()[-1].endswith("stopped")
    assert is_stopped(home)
    with EmbeddedPostgres(home) as database:
        check_log(database.url, WEBHOOKS, sender.acknowledged)


def test_told_to_end_it_answers_every_request_that_it_has_taken(home: Path) -> None:
    first, *others = (Webhook(f"msg_taken_{number}", b"{}") for number in range(THREADS))
    with serving(home) as server, ThreadPoolExecutor(THREADS) as pool, server.client() as client:
        post = partial(deliver, server)
        url = url_of(home)
        # A writer looks whether it could commit when it has had nothing to do for a second: it
        # shall be the commit that waits.
        assert post(Webhook("msg_before", b"{}")) == 200
        with commits_locked_out(url) as waiting:
            began = time.monotonic()
            answers = [pool.submit(post, first)]
            until(waiting)
            answers += [pool.submit(post, webhook) for webhook in others]
            until(lambda: queued(client) >= len(others))
            server.signal(SIGTERM)
            until(lambda: not takes_connections(server))
            time.sleep(0.5)  # it would end by now, did it not wait for them
        locked_s = time.monotonic() - began
        statuses = list(map(status, answers))
        assert server.wait() == 0
    # Had all been queued, the last one of them may not have been taken any more.
    assert statuses.count(NO_ANSWER) <= 1
    # On a machine that is busy for so long, the writer may have given up: an answer, too.
    given_up = {503} if locked_s > PATIENCE_S else set()
    assert set(statuses) <= {200, NO_ANSWER} | given_up
    assert is_stopped(home)
    with EmbeddedPostgres(home) as database:
        stored = positions(database.url).keys()
    sent = zip([first, *others], statuses, strict=True)
    assert {webhook for webhook, status in sent if status == 200} <= stored


def test_told_twice_to_end_it_ends_in_order_all_the_same(home: Path) -> None:
    with serving(home) as server, ThreadPoolExecutor(1) as pool:
        with commits_locked_out(url_of(home)) as waiting:
            answer = pool.submit(deliver, server, Webhook("msg_in_vain", b"{}"))
            until(waiting)
            server.signal(SIGINT)
            until(lambda: not takes_connections(server))
            server.signal(SIGINT)
        assert server.wait() == 0
        assert isinstance(answer.exception(), httpx.TransportError) or answer.result() in {
            200,
            500,
            503,
        }
        assert server.said.splitlines()[-1].endswith("stopped")
        assert "Traceback" not in server.said
    assert is_stopped(home)


def deliver(server: Program, webhook: Webhook) -> int:
    with server.client() as client:
        return posted(client, webhook.body, webhook.webhook_id).status_code


def queued(client: httpx.Client) -> int:
    """Return how many webhooks wait for their commit to begin."""
    found = re.search(r"^raphus_queue_deliveries (\d+)", client.get("/metrics").text, re.MULTILINE)
    assert found is not None
    return int(found[1])


def status(answer: Future[int]) -> int:
    """Return the status of an answer when it is there, or that there is none."""
    is_lost = isinstance(answer.exception(), httpx.TransportError)
    return NO_ANSWER if is_lost else answer.result()


def url_of(home: Path) -> str:
    """Join the users of a home's database for a moment, and leave them again."""
    with EmbeddedPostgres(home) as beside:
        return beside.url


@contextmanager
def commits_locked_out(url: str) -> Iterator[Callable[[], bool]]:
    """Hold the lock that every commit needs; what is given tells whether one waits for it."""
    select = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    with psycopg.connect(url) as conn, psycopg.connect(url, autocommit=True) as observer:
        conn.execute("LOCK TABLE raphus.ledger_events IN EXCLUSIVE MODE")
        yield lambda: observer.execute(select).fetchone() != (0,)


def takes_connections(server: Program) -> bool:
    address = urlsplit(server.url)
    try:
        socket.create_connection((str(address.hostname), int(address.port or 0))).close()
    except ConnectionRefusedError:
        return False
    return True
