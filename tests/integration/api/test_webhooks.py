"""The way in, over real HTTP and on a real database: what is stored, what is refused, and why."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from api.webhooks.endpoint import PATH
from api.webhooks.request_body import BODY_BYTES_MAX
from ledger.mapper import LedgerMapper
from tests.support.http_server import SECRET, Served, copied, served, signed
from tests.support.samples import sample, samples
from tests.support.waiting import GUARD_S, until

OTHER_SECRET = "whsec_b3RoZXIgc2VjcmV0IG9mIHRlc3Rz"
BODY = json.dumps(sample("payment.succeeded")).encode()


@pytest.fixture(scope="module")
def shared(cluster: str, template: str) -> Iterator[tuple[Served, str]]:
    """A server and its database, for tests that look at their own webhook-ids only."""
    with copied(cluster, template) as conninfo, served(conninfo) as running:
        yield running, conninfo


def log(database: str) -> list[tuple[str, bytes]]:
    """Read the log itself: webhook-ids and bodies, in order."""
    select = (
        "SELECT originator_id, originator_version, topic, state FROM raphus.ledger_events"
        " ORDER BY notification_id"
    )
    with psycopg.connect(database) as conn:
        deliveries = [LedgerMapper().decode(*row).delivery for row in conn.execute(select)]
    return [(delivery.webhook_id, delivery.body) for delivery in deliveries]


def test_a_delivery_is_stored_to_the_byte_and_answered_with_its_position(
    server: Served, database: str
) -> None:
    body = b'  {"data" :{},\n "type": "x.y", "n": 1.0e5, "s": "Zo\\u00eb \xf0\x9f\xa6\xa4"}\t'
    response = server.post(body, "msg_first")
    assert (response.status_code, response.json()) == (200, {"position": "1", "duplicate": False})
    assert log(database) == [("msg_first", body)]
    assert server.get("/v1/events/msg_first", min_position=1)["body"] == body.decode()


def test_a_repeated_delivery_is_answered_with_the_first_position(
    server: Served, database: str
) -> None:
    first = server.deliver(BODY, "msg_twice")
    server.deliver(BODY)
    assert server.post(BODY, "msg_twice").json() == {"position": first, "duplicate": True}
    assert len(log(database)) == 2


def test_another_body_under_a_known_webhook_id_is_kept_beside_the_first(server: Served) -> None:
    first = server.deliver(BODY, "msg_1")
    second = server.deliver(BODY + b" ", "msg_1")
    event = server.get("/v1/events/msg_1", min_position=second)
    assert (event["position"], event["body"]) == (first, BODY.decode())
    (other,) = event["other_bodies"]
    assert (other["position"], other["body"]) == (second, BODY.decode() + " ")


def test_bodies_under_one_webhook_id_are_kept_together_wherever_they_belong(
    server: Served,
) -> None:
    bodies = [samples()[name] for name in ("payment.succeeded", "dispute.opened", "payout.created")]
    positions = [server.deliver(body, "msg_1") for body in bodies]
    event = server.get("/v1/events/msg_1", min_position=positions[-1])
    told = [event["body"], *(other["body"] for other in event["other_bodies"])]
    assert told == [body.decode() for body in bodies]


def test_every_sample_is_stored_verbatim_and_given_back(server: Served) -> None:
    bodies = samples()
    positions = [server.deliver(body, name) for name, body in bodies.items()]
    for name, body in bodies.items():
        event = server.get(f"/v1/events/{name}", min_position=max(map(int, positions)))
        assert event["body"].encode() == body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not JSON",
        b"null",
        b"[]",
        b"{}",
        b'{"type": "payment.succeeded"}',
        b"[" * 100_000,
        b'{"a":' * 5_000,
        b'{"type": 1, "business_id": null, "timestamp": {}, "data": []}',
        BODY.replace(b"payment.succeeded", b"payment.invented"),
        BODY.replace(b"payment.succeeded", "🦤\u0000".encode()),
        b'{"n": ' + b"9" * 5_000 + b"}",
    ],
    ids=range(12),
)
def test_nothing_verified_is_refused_for_its_content(
    body: bytes, shared: tuple[Served, str]
) -> None:
    server, database = shared
    webhook_id = f"msg_odd_{hashlib.sha256(body).hexdigest()}"
    position = server.deliver(body, webhook_id)
    assert (webhook_id, body) in log(database)
    assert server.get(f"/v1/events/{webhook_id}", min_position=position)["body"] == body.decode()
    listed = server.get("/v1/events", after=int(position) - 1)["items"]
    assert listed[0]["webhook_id"] == webhook_id


def test_while_secrets_rotate_both_are_accepted(database: str) -> None:
    with served(database, secrets=(SECRET, OTHER_SECRET)) as server:
        assert server.post(BODY, secret=SECRET).status_code == 200
        assert server.post(BODY, secret=OTHER_SECRET).status_code == 200


def test_what_is_not_verified_is_refused_with_the_reason_and_not_stored(
    server: Served, database: str
) -> None:
    response = server.post(BODY, secret=OTHER_SECRET)
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "unverified"
    assert "no signature matches" in response.json()["error"]["message"]
    assert server.client.post(PATH, content=BODY).status_code == 401
    assert log(database) == []


@pytest.mark.parametrize("webhook_id", [b"m" * 201, "msg_é".encode(), b"msg_\xff", b""])
def test_a_webhook_id_that_cannot_be_a_key_is_refused(
    webhook_id: bytes, shared: tuple[Served, str]
) -> None:
    server, database = shared
    before = log(database)
    headers = {name.encode(): value.encode() for name, value in signed(BODY, "x").items()}
    headers[b"webhook-id"] = webhook_id
    assert server.client.post(PATH, content=BODY, headers=headers).status_code == 401
    assert log(database) == before


def test_the_largest_body_is_stored(server: Served, database: str) -> None:
    body = b'{"fill": "' + b"x" * (BODY_BYTES_MAX - 12) + b'"}'
    assert len(body) == BODY_BYTES_MAX
    server.deliver(body)
    assert log(database)[0][1] == body


def test_one_byte_more_is_refused_however_it_is_sent(server: Served, database: str) -> None:
    body = b"x" * (BODY_BYTES_MAX + 1)
    headers = signed(body, "msg_large")
    declared = server.client.post(PATH, content=body, headers=headers)
    chunks = (body[at : at + 65_536] for at in range(0, len(body), 65_536))
    streamed = server.client.post(PATH, content=chunks, headers=headers)
    for response in (declared, streamed):
        assert response.status_code == 413
        assert response.json()["error"]["code"] == "too_large"
    assert log(database) == []
    assert server.post(BODY).status_code == 200  # the connection goes on


def test_a_peer_that_goes_away_in_the_middle_leaves_nothing_behind(
    server: Served, database: str
) -> None:
    for sent in (b"", b'{"half'):
        with _connected(server) as sock:
            sock.sendall(
                b"POST /webhooks/dodo HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\n" + sent
            )
    server.deliver(BODY)
    assert len(log(database)) == 1


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (b"GET /healthz HTTP/1.1\r\nhost: x\r\nlong: " + b"x" * 40_000, 431, "headers_too_large"),
        (b"GET /" + b"x" * 40_000, 431, "headers_too_large"),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 9_000 + b"\r\n", 431, "headers_too_large"),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400, "bad_request"),
        (b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n", 400, "bad_request"),
    ],
    ids=["a long header", "a long path", "many headers", "TLS", "a negative length"],
)
def test_a_head_beyond_the_limits_is_refused_in_the_shape_of_all_errors(
    request_: bytes, status: int, code: str, shared: tuple[Served, str]
) -> None:
    server, _ = shared
    with _connected(server) as sock:
        sock.sendall(request_)
        head, _, body = _received(sock).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert json.loads(body)["error"]["code"] == code


def test_a_peer_that_does_not_finish_its_head_is_hung_up_on(
    shared: tuple[Served, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.http.uvicorn_protocol.HEAD_TIMEOUT_S", 0.1)
    for sent in (b"", b"GET /healthz HTTP/1.1\r\nhost"):
        # It may be hung up on before it has sent anything.
        with _connected(shared[0]) as sock, suppress(ConnectionError):
            sock.sendall(sent)
            assert _received(sock) == b""


def test_a_peer_that_does_not_finish_its_body_is_told_so(
    shared: tuple[Served, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.webhooks.request_body.READ_TIMEOUT_S", 0.1)
    with _connected(shared[0]) as sock:
        sock.sendall(b"POST /webhooks/dodo HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf")
        assert sock.recv(65_536).startswith(b"HTTP/1.1 408 ")


def test_bodies_that_are_more_together_than_may_be_read_at_once_are_to_come_again(
    shared: tuple[Served, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.webhooks.request_body.READING_BYTES_MAX", 1_000_000)
    body = b"x" * BODY_BYTES_MAX
    response = shared[0].post(body)
    assert (response.status_code, response.json()["error"]["code"]) == (503, "busy")
    assert "retry-after" in response.headers
    monkeypatch.undo()
    assert shared[0].post(body).status_code == 200


def test_a_defect_of_the_way_in_is_answered_and_logged_and_the_next_webhook_stored(
    shared: tuple[Served, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def defective(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr("api.webhooks.verifier.Verifier.verify", defective)
        response = shared[0].post(BODY)
        assert (response.status_code, response.json()["error"]["code"]) == (500, "internal")
        until(lambda: "ZeroDivisionError" in caplog.text)  # it is answered first
    assert shared[0].post(BODY).status_code == 200


def test_the_way_in_takes_nothing_but_posts(shared: tuple[Served, str]) -> None:
    for method in ("GET", "PUT", "HEAD"):
        response = shared[0].client.request(method, PATH)
        assert (response.status_code, response.headers["allow"]) == (405, "POST")


def test_a_full_queue_asks_to_come_again(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.app.QUEUE_MAX", 0)
    with served(database) as server:
        response = server.post(BODY)
        assert response.status_code == 503
        assert response.json()["error"]["code"] == "busy"
        assert int(response.headers["retry-after"]) > 0
    assert log(database) == []


def test_what_is_queued_is_committed_and_answered_when_the_server_stops(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A writer with nothing to do looks whether it could: it would be what waits for the lock.
    monkeypatch.setattr("ledger.batch_writer.CHECK_EVERY_S", GUARD_S)
    with ThreadPoolExecutor(9) as clients, psycopg.connect(database) as conn:
        with served(database) as server:
            server.deliver(BODY)
            conn.execute("LOCK TABLE raphus.ledger_events IN EXCLUSIVE MODE")
            waiting = [clients.submit(_post_alone, server.url)]
            _wait_until_locked_out(database)
            waiting += [clients.submit(_post_alone, server.url) for _ in range(7)]
            until(lambda: "raphus_queue_deliveries 7.0\n" in server.client.get("/metrics").text)
            clients.submit(_release, conn)
        answers = [answer.result() for answer in waiting]
    assert [answer.status_code for answer in answers] == [200] * 8
    assert len(log(database)) == 9


def test_while_the_database_is_away_nothing_is_acknowledged_and_then_it_goes_on(
    database: str, cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit_s in ("ledger.application.PATIENCE_S", "api.queries.database.WAIT_S"):
        monkeypatch.setattr(limit_s, 1.0)
    name = conninfo_to_dict(database)["dbname"]
    with served(database) as server, psycopg.connect(cluster, autocommit=True) as admin:
        server.deliver(BODY, "msg_before")
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        with ThreadPoolExecutor(3) as clients:
            posted = clients.submit(server.post, BODY, "msg_meanwhile")
            read = clients.submit(server.client.get, "/v1/payments")
            ready = clients.submit(server.client.get, "/readyz")
            assert server.client.get("/healthz").status_code == 200
        for response in (posted.result(), read.result(), ready.result()):
            assert response.status_code == 503
            assert "retry-after" in response.headers
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
        until(lambda: server.post(BODY, "msg_meanwhile").status_code == 200)
        until(lambda: server.client.get("/readyz").status_code == 200)
        until(lambda: server.client.get("/v1/payments").status_code == 200)
    assert [webhook_id for webhook_id, _ in log(database)] == ["msg_before", "msg_meanwhile"]


def test_what_became_of_webhooks_is_counted(server: Served) -> None:
    server.deliver(BODY, "msg_1")
    position = server.deliver(BODY, "msg_1")
    server.deliver(b"{}")
    server.post(BODY, secret=OTHER_SECRET)
    server.get("/v1/payments", min_position=position)

    def counted() -> list[str]:
        told: str = server.client.get("/metrics").text
        return told.splitlines()

    for line in (
        'raphus_deliveries_total{outcome="recorded",type="payment.succeeded"} 1.0',
        'raphus_deliveries_total{outcome="duplicate",type="payment.succeeded"} 1.0',
        'raphus_deliveries_total{outcome="recorded",type="other"} 1.0',
        'raphus_deliveries_total{outcome="unverified",type="unread"} 1.0',
        'raphus_facts_total{type="payment.succeeded",verdict="applied"} 1.0',
        "raphus_queue_deliveries 0.0",
        "raphus_log_position 2.0",
    ):
        # A page is counted once it is committed, and so shows before.
        until(lambda: line in counted())  # noqa: B023


def _connected(server: Served) -> socket.socket:
    address = urlsplit(server.url)
    assert address.hostname is not None
    sock = socket.create_connection((address.hostname, address.port or 0))
    sock.settimeout(GUARD_S)
    return sock


def _received(sock: socket.socket) -> bytes:
    received = b""
    while chunk := sock.recv(65_536):
        received += chunk
    return received


def _post_alone(url: str) -> httpx.Response:
    headers = signed(BODY, f"msg_{threading.get_ident()}")
    return httpx.post(url + PATH, content=BODY, headers=headers, timeout=GUARD_S, trust_env=False)


def _release(conn: psycopg.Connection) -> None:
    time.sleep(0.3)  # so that the server is told to stop while they still wait
    conn.rollback()


def _wait_until_locked_out(database: str) -> None:
    select = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    with psycopg.connect(database, autocommit=True) as conn:
        until(lambda: conn.execute(select).fetchone() != (0,))
