"""Peers that send slowly, or take slowly: each is waited for, and none for long."""

from __future__ import annotations

import logging
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import pytest

from api.webhooks.request_body import BODY_BYTES_MAX
from telemetry.logs import Throttle
from tests.support.http_server import Served, copied, served, signed
from tests.support.samples import samples
from tests.support.waiting import GUARD_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator

BODY: Final = samples()["payment.succeeded"]
SHORT_S: Final = 0.2
"""In place of limits that are long."""
HEAD: Final = b" HTTP/1.1\r\nhost: x\r\n"
ALIVE: Final = b"GET /healthz" + HEAD


@pytest.fixture(scope="module")
def server(cluster: str, template: str) -> Iterator[Served]:
    with copied(cluster, template) as conninfo, served(conninfo) as running:
        yield running


@contextmanager
def connected(server: Served, *, received_bytes_max: int | None = None) -> Iterator[socket.socket]:
    """Give a connection."""
    url = urlsplit(server.url)
    with socket.socket() as sock:
        if received_bytes_max is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, received_bytes_max)
        sock.settimeout(GUARD_S)
        sock.connect((url.hostname, url.port))
        yield sock


def answer(sock: socket.socket) -> bytes:
    """Receive one short answer."""
    received = b""
    while b"\r\n\r\n{" not in received or not received.endswith(b"}"):
        more = sock.recv(65_536)
        assert more, received
        received += more
    return received


def is_closed(sock: socket.socket, *, sending: bytes) -> bool:
    """Send a little more, if anything; tell whether the server has closed the connection."""
    try:
        sock.settimeout(0.02)
        sock.sendall(sending)
        return sock.recv(65_536) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


@pytest.mark.parametrize("declared", [b"content-length: 1000000", b"transfer-encoding: chunked"])
def test_the_rest_of_a_request_that_is_answered_may_not_take_long(
    declared: bytes, server: Served
) -> None:
    with connected(server) as sock:
        sock.sendall(ALIVE + declared + b"\r\n\r\n1\r\n")
        assert answer(sock).startswith(b"HTTP/1.1 200 ")
        until(lambda: is_closed(sock, sending=b"x" if b"length" in declared else b"x\r\n1\r\n"))


def test_a_request_that_ends_soon_after_its_answer_leaves_the_connection_as_it_was(
    server: Served,
) -> None:
    with connected(server) as sock:
        for _ in range(3):
            sock.sendall(ALIVE + b"content-length: 4\r\n\r\n12")
            assert answer(sock).startswith(b"HTTP/1.1 200 ")
            sock.sendall(b"34")


@pytest.fixture
def impatient(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A server for which a connection is idle soon."""
    monkeypatch.setattr("api.http.server.KEEP_ALIVE_S", 1)
    with served(database) as running:
        yield running


def test_then_it_is_idle_and_closed_when_nothing_more_comes(impatient: Served) -> None:
    with connected(impatient) as sock:
        sock.sendall(ALIVE + b"content-length: 4\r\n\r\n12")
        assert answer(sock).startswith(b"HTTP/1.1 200 ")
        sock.sendall(b"34")
        assert sock.recv(1) == b""


def test_empty_lines_between_requests_keep_no_connection_open(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connected(server) as sock:
        sock.sendall(ALIVE + b"\r\n")
        assert answer(sock).startswith(b"HTTP/1.1 200 ")
        monkeypatch.setattr("api.http.uvicorn_protocol.HEAD_TIMEOUT_S", SHORT_S)
        until(lambda: is_closed(sock, sending=b"\r\n"))


def test_the_headers_have_a_deadline_in_all_however_often_a_byte_comes(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.http.uvicorn_protocol.HEAD_TIMEOUT_S", SHORT_S)
    with connected(server) as sock:
        with suppress(ConnectionError):  # it may be closed before anything is sent
            sock.sendall(ALIVE)
        until(lambda: is_closed(sock, sending=b"x"))


@pytest.mark.parametrize("last", [b"", b"connection: close\r\n"], ids=["kept", "closed"])
def test_an_answer_that_is_not_taken_is_not_kept_for_ever(
    last: bytes,
    server: Served,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("api.http.uvicorn_protocol._log", Throttle(logging.getLogger("test")))
    monkeypatch.setattr("api.http.uvicorn_protocol.TAKE_TIMEOUT_S", SHORT_S)
    ask = b"GET /openapi.json" + HEAD
    with connected(server, received_bytes_max=1) as sock:
        sock.sendall((ask + b"\r\n") * 200 + ask + last + b"\r\n")
        until(lambda: "its answer was not taken in time" in caplog.text)
        with suppress(ConnectionError):
            while sock.recv(65_536):
                pass
    assert "Exception" not in caplog.text


def test_bodies_that_stall_keep_no_other_one_out(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.webhooks.request_body.READING_BYTES_MAX", BODY_BYTES_MAX)
    head = b"POST /webhooks/dodo" + HEAD
    declared = b"content-length: %d\r\n\r\n" % BODY_BYTES_MAX
    with connected(server) as stalling, ThreadPoolExecutor(1) as pool:
        stalling.sendall(head + declared + b"x" * (BODY_BYTES_MAX - 1))
        told = pool.submit(answer, stalling)
        lines = b"".join(
            b"%b: %b\r\n" % (k.encode(), v.encode()) for k, v in signed(BODY, "m").items()
        )
        while not told.done():
            with connected(server) as normal:
                normal.sendall(head + lines + b"content-length: %d\r\n\r\n" % len(BODY) + BODY[:9])
                time.sleep(0.01)
                normal.sendall(BODY[9:])
                assert answer(normal).startswith(b"HTTP/1.1 200 ")
        assert told.result().startswith(b"HTTP/1.1 503 ")
