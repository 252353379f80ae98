"""The database goes away, with a word or without one: who waits is told, and all are soon back."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from ledger.application import Ledger, Receipt
from tests.support.deliveries import receipts, renewals
from tests.support.desk import desk_of
from tests.support.http_server import Served, served
from tests.support.line import Line, line_to
from tests.support.log import lines
from tests.support.outages import beside, locked, terminate_backends
from tests.support.projected import record
from tests.support.samples import samples
from tests.support.waiting import until
from tests.support.windmill import STARTED, all_in, sending, task, write_routes
from tests.support.windmill_stand_in import StandIn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import httpx

BODY = samples()["payment.succeeded"]
BACK_S = 20.0
"""It is to be 2 s; the machine may be busy."""


@pytest.fixture
def line(database: str) -> Iterator[Line]:
    with line_to(database) as opened:
        yield opened


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tell of an outage sooner than in earnest, so that it may be short."""
    for limit, seconds in {
        "ledger.application.PATIENCE_S": 0.5,
        "ledger.application.BATCH_S": 1.5,
        "ledger.batch_writer.SLOW_S": 0.5,
        "api.queries.database.WAIT_S": 0.5,
        "api.queries.database.ANSWER_S": 1.5,
    }.items():
        monkeypatch.setattr(limit, seconds)


def stored(server: Served, webhook_id: str | None = None) -> Any:  # noqa: ANN401 -- JSON
    """Deliver a body until it is stored, and return the answer.

    Where limits are short, one that the machine is too busy for is told to come again.
    """
    answers: list[httpx.Response] = []

    def is_stored() -> bool:
        answers.append(server.post(BODY, webhook_id))
        assert answers[-1].status_code in {200, 503}
        return answers[-1].status_code == 200

    until(is_stored, limit_s=BACK_S)
    return answers[-1].json()


def is_back(server: Served) -> None:
    """Wait until webhooks are stored, reads answered, and the read models followed to the end."""
    newest = {"min_position": stored(server)["position"]}
    until(lambda: server.client.get("/readyz").status_code == 200, limit_s=BACK_S)
    until(
        lambda: server.client.get("/v1/payments", params=newest).status_code == 200, limit_s=BACK_S
    )


def is_unready(server: Served, *problems: str) -> Callable[[], bool]:
    def check() -> bool:
        response = server.client.get("/readyz")
        return response.status_code == 503 and (
            response.json()["error"]["details"].get("writer") in problems
        )

    return check


OUTAGES: dict[str, tuple[Callable[[Line], None], Callable[[Line], None]]] = {
    "cut": (Line.cut, Line.restore),
    "mute for a while": (Line.mute, Line.restore),
    "mute, and then forgotten": (Line.mute, partial(Line.restore, forgetting=True)),
}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("outage", OUTAGES)
def test_all_say_that_the_database_is_away_and_all_are_back_when_it_is(
    outage: str, database: str, line: Line
) -> None:
    begin, end = OUTAGES[outage]
    with served(line.conninfo) as server, ThreadPoolExecutor(2) as clients:
        is_back(server)
        begin(line)
        posted = clients.submit(server.post, BODY, "msg_meanwhile")
        read = clients.submit(server.client.get, "/v1/payments")
        for response in (posted.result(), read.result()):
            assert (response.status_code, response.json()["error"]["code"]) == (503, "unavailable")
            assert "retry-after" in response.headers
        until(lambda: server.client.get("/readyz").status_code == 503)
        assert server.client.get("/healthz").status_code == 200
        end(line)
        is_back(server)
        stored(server, "msg_meanwhile")
    assert [one.webhook_id for one in lines(database)].count("msg_meanwhile") == 1


def test_the_log_says_in_plain_words_why_the_position_is_not_known(
    line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    with served(line.conninfo) as server:
        is_back(server)
        line.cut()
        until(lambda: "position is not known for now: the database is away" in caplog.text)


def test_the_writers_first_attempt_after_an_outage_is_made_at_once(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.application.PATIENCE_S", 0.0)
    deliveries = renewals(range(9))
    with Ledger(line.conninfo) as ledger:
        receipts(ledger.record(deliveries[:1]))
        line.cut()
        began = time.monotonic()
        while time.monotonic() < began + 3.3:  # a pause that doubles from 1 s is one of 4 s now
            assert not isinstance(ledger.record(deliveries[1:])[0], Receipt)
            time.sleep(0.02)  # to ask more often only takes the processor
        line.restore()
        receipts(ledger.record(deliveries[1:]))


@pytest.mark.parametrize("said", [b"BEGIN", b"COPY", b"COMMIT\0"])
def test_a_batch_of_which_no_answer_comes_is_tried_again_and_is_one_event_each(
    said: bytes, database: str, line: Line
) -> None:
    deliveries = renewals(range(4))
    with Ledger(line.conninfo) as ledger, ThreadPoolExecutor(1) as writer:
        receipts(ledger.record(deliveries[:1]))
        line.mute_at = (said,)
        answers = writer.submit(ledger.record, deliveries)
        until(lambda: line.is_mute)
        line.restore(forgetting=True)
        positions = [receipt.position for receipt in receipts(answers.result())]
    assert positions == [1, 2, 3, 4]
    assert len(lines(database)) == 4


def test_a_webhook_whose_commit_is_not_known_is_to_come_again_and_then_a_duplicate(
    database: str, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.webhooks.endpoint.ANSWER_S", 0.5)
    with served(line.conninfo) as server:
        stored(server, "msg_first")
        # What says it is the statement that commits it.
        line.mute_at = (b"msg_unknown",)
        response = server.post(BODY, "msg_unknown")
        assert (response.status_code, response.json()["error"]["code"]) == (503, "unavailable")
        until(lambda: len(lines(database)) == 2)
        line.restore(forgetting=True)
        assert stored(server, "msg_unknown") == {"position": "2", "duplicate": True}
    assert len(lines(database)) == 2


def test_a_webhook_is_answered_in_time_whatever_the_writer_waits_for(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit_s in ("ledger.application.PATIENCE_S", "ledger.application.BATCH_S"):
        monkeypatch.setattr(limit_s, 100.0)
    monkeypatch.setattr("api.webhooks.endpoint.ANSWER_S", 0.5)
    with served(line.conninfo) as server, ThreadPoolExecutor(6) as clients:
        stored(server)
        line.mute()
        answers: list[httpx.Response] = list(clients.map(lambda _: server.post(BODY), range(6)))
        assert [answer.status_code for answer in answers] == [503] * 6
        line.restore()


def test_a_server_is_not_ready_while_the_database_is_read_only(database: str) -> None:
    name = str(psycopg.conninfo.conninfo_to_dict(database)["dbname"])
    change = f"ALTER DATABASE {name} SET default_transaction_read_only"
    with served(database) as server, psycopg.connect(beside(database), autocommit=True) as admin:
        is_back(server)
        admin.execute(f"{change} = on".encode())
        terminate_backends(admin, database)
        until(is_unready(server, "the database is read-only"))
        assert server.client.get("/readyz").json()["error"]["code"] == "not_ready"
        admin.execute(f"{change} = off".encode())
        is_back(server)


def test_a_server_is_not_ready_while_the_log_is_locked(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.batch_writer.SLOW_S", 0.5)
    monkeypatch.setattr("ledger.application.CHECK_S", 1.0)
    with served(database) as server:
        with locked(database):
            # The one while it is tried, the other once that has been given up.
            until(is_unready(server, "the database does not answer", "the database is away"))
        is_back(server)


def test_a_writer_that_stops_while_the_database_is_away_does_not_wait_for_it(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.batch_writer.BATCH_MAX", 1)
    monkeypatch.setattr("ledger.application.PATIENCE_S", 0.5)
    deliveries = renewals(range(300))
    with Ledger(line.conninfo) as ledger, desk_of(ledger) as desk:
        desk.submit(deliveries)
        line.cut()
        with desk.running():
            pass
        assert [delivery for delivery, _ in desk.settled] == deliveries
        assert desk.acknowledged() == {}


@pytest.mark.parametrize("outage", OUTAGES)
def test_jobs_are_started_again_after_an_outage(
    outage: str, database: str, line: Line, tmp_path: Path
) -> None:
    begin, end = OUTAGES[outage]
    routes = write_routes(tmp_path)
    with StandIn() as windmill, sending(task(line.conninfo, routes, windmill)):
        record(database, renewals(range(2)))
        until(lambda: all_in(database, *STARTED, count=2))
        begin(line)
        time.sleep(1.5)  # so that each notices it, or waits for an answer
        record(database, renewals(range(2, 4)))
        end(line)
        until(lambda: all_in(database, *STARTED, count=4), limit_s=BACK_S)
        assert len(windmill.jobs()) == 4
