"""A load generator in a process of its own: many kept-alive connections, one request on each."""

from __future__ import annotations

import multiprocessing
import selectors
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.benchmarks.measure import percentile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.connection import Connection

_RECEIVE_BYTES = 65_536
_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Load:
    """What one run of requests measured; latencies in ascending order."""

    elapsed_s: float
    latencies_s: tuple[float, ...]

    @property
    def requests_per_s(self) -> float:
        """The throughput."""
        return len(self.latencies_s) / self.elapsed_s

    def percentile_s(self, percent: float) -> float:
        """Return the latency that `percent` of the requests did not exceed."""
        return percentile(self.latencies_s, percent)


def drive(
    port: int, requests: Sequence[bytes], connections: int, *, per_s: float | None = None
) -> Load:
    """Send raw requests to loopback, as fast as they are answered or at `per_s`.

    Raises:
        RuntimeError: an answer was no success.
    """
    ours, theirs = multiprocessing.Pipe(duplex=False)
    arguments = (theirs, port, list(requests), connections, per_s)
    process = multiprocessing.get_context("fork").Process(target=_run, args=arguments)
    process.start()
    theirs.close()
    try:
        result = ours.recv()
    finally:
        process.join(_PATIENCE_S)
    problem, elapsed_s, latencies_s = result
    if problem:
        raise RuntimeError(problem)
    return Load(elapsed_s, latencies_s)


def _run(
    answer: Connection, port: int, requests: list[bytes], connections: int, per_s: float | None
) -> None:
    try:
        answer.send((None, *_Generator(port, requests, connections, per_s).run()))
    except (OSError, RuntimeError) as error:
        answer.send((f"the load generator stopped: {error}", 0.0, ()))


class _Generator:
    def __init__(
        self, port: int, requests: list[bytes], connections: int, per_s: float | None
    ) -> None:
        self._selector = selectors.DefaultSelector()
        self._requests = iter(requests)
        self._pause_s = 1 / per_s if per_s else 0.0
        self._idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
        self._sent_at: dict[int, float] = {}
        self._answers: dict[int, bytes] = {}
        self._latencies_s: list[float] = []

    def run(self) -> tuple[float, tuple[float, ...]]:
        began = due = time.perf_counter()
        pending = next(self._requests, None)
        while pending is not None or self._sent_at:
            now = time.perf_counter()
            while pending is not None and self._idle and now >= due:
                self._send(self._idle.pop(), pending, max(due, began) if self._pause_s else now)
                pending, due = next(self._requests, None), due + self._pause_s
            wait_s = max(0.0, due - now) if self._idle and pending is not None else _PATIENCE_S
            for key, _ in self._selector.select(wait_s):
                self._receive(key.fileobj)
        return time.perf_counter() - began, tuple(sorted(self._latencies_s))

    def _send(self, connection: socket.socket, request: bytes, counted_from: float) -> None:
        connection.sendall(request)
        self._sent_at[connection.fileno()] = counted_from
        self._selector.register(connection, selectors.EVENT_READ)

    def _receive(self, connection: object) -> None:
        assert isinstance(connection, socket.socket)
        number = connection.fileno()
        answer = self._answers.pop(number, b"") + connection.recv(_RECEIVE_BYTES)
        if not answer.startswith(b"HTTP/1.1 2"):
            raise RuntimeError(f"expected success, got {answer[:200]!r}")
        if not _is_whole(answer):
            self._answers[number] = answer
            return
        self._latencies_s.append(time.perf_counter() - self._sent_at.pop(number))
        self._selector.unregister(connection)
        self._idle.append(connection)


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return bool(end) and len(body) >= int(length)
