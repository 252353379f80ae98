"""Servers in processes of their own: the real one, and the ones that it is compared with."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from api.app import application
from api.http.auth import OpenOnLoopback
from api.http.front import Front
from api.http.listening import listening
from api.http.server import Server
from api.metrics import Metrics
from api.webhooks.endpoint import PATH, Webhooks
from api.webhooks.request_body import BodyReader
from api.webhooks.verifier import Verifier
from console.catalogue import console
from ledger.application import Ledger, Receipt, Recording
from ledger.batch_writer import Writer
from tests.benchmarks.bodies import SECRET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from socket import socket
    from typing import TypeAlias

    from starlette.types import ASGIApp

    from domain.delivery import Delivery

    Serve: TypeAlias = Callable[[socket, Callable[[], None]], None]
    """Serves on a socket, and says when it is ready."""

_THREADS: Final = 8
_PATIENCE_S: Final = 30.0
_READY: Final = b"."


def real(conninfo: str) -> ASGIApp:
    """Make the server as it is."""
    return application(conninfo, Verifier([SECRET]), OpenOnLoopback(), site=console)


def verifying_only(_conninfo: str) -> ASGIApp:
    """Make the same way in, which verifies, stores nothing, and answers."""
    metrics = Metrics()
    return _way_in(_Nowhere(), metrics)


def transaction_a_request(conninfo: str) -> ASGIApp:
    """Make the same way in, where each request is a commit of its own."""
    metrics = Metrics()
    return _way_in(_EachByItself(Ledger(conninfo)), metrics)


class Served(NamedTuple):
    """A server that runs: its port of loopback, and the processes that share it."""

    port: int
    pids: tuple[int, ...]


@contextmanager
def serving(make: Callable[[str], ASGIApp], conninfo: str) -> Iterator[int]:
    """Run a server in another process, on a free port of loopback, which is yielded."""
    with shared(made(make, conninfo), 1) as served:
        yield served.port


def made(make: Callable[[str], ASGIApp], conninfo: str) -> Serve:
    """Return what serves with our limits."""
    return partial(_serve, make, conninfo)


@contextmanager
def shared(serve: Serve, number: int) -> Iterator[Served]:
    """Run a server in so many other processes, which share a free port of loopback."""
    with listening("127.0.0.1", 0) as sock, ExitStack() as stack:
        pids = tuple(stack.enter_context(_process(serve, sock)) for _ in range(number))
        yield Served(int(sock.getsockname()[1]), pids)


@contextmanager
def _process(serve: Serve, sock: socket) -> Iterator[int]:
    reading, writing = os.pipe()
    process = multiprocessing.get_context("fork").Process(
        target=serve, args=(sock, partial(_tell, writing))
    )
    process.start()
    os.close(writing)
    try:
        if os.read(reading, 1) != _READY or process.pid is None:
            raise RuntimeError("the server did not start")
        yield process.pid
    finally:
        os.close(reading)
        process.terminate()
        process.join(_PATIENCE_S)


def _tell(ready: int) -> None:
    os.write(ready, _READY)
    os.close(ready)


def _serve(
    make: Callable[[str], ASGIApp], conninfo: str, sock: socket, ready: Callable[[], None]
) -> None:
    Server(make(conninfo), ready).run([sock])


def _way_in(writer: _Nowhere | _EachByItself, metrics: Metrics) -> ASGIApp:
    webhooks = Webhooks(Verifier([SECRET]), writer, metrics, BodyReader())
    return Front(PATH, webhooks)


class _Nowhere(Writer):
    """Takes a delivery, and forgets it."""

    def __init__(self) -> None:
        pass

    def submit(self, delivery: Delivery) -> asyncio.Future[Recording]:
        answer = asyncio.get_running_loop().create_future()
        answer.set_result(Receipt(1, duplicate=False))
        return answer


class _EachByItself(Writer):
    """Commits each delivery in a transaction of its own."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._pool = ThreadPoolExecutor(_THREADS)

    def submit(self, delivery: Delivery) -> asyncio.Future[Recording]:
        return asyncio.wrap_future(self._pool.submit(lambda: self._ledger.record([delivery])[0]))
