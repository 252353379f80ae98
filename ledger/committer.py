"""Commits for an event loop, which sends a batch and hears its answer by itself."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, cast

import psycopg

from domain.aggregates.routing import route
from ledger.application import new_receipts
from ledger.new_events import ask_to_record, new_events

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from psycopg import Connection

    from domain.delivery import Delivery
    from ledger.application import Ledger, Recording
    from postgres.prepared import Question

T = TypeVar("T")
P = ParamSpec("P")

LISTEN_S: Final = 0.1
"""How long the loop listens for an answer itself. Nearly all come sooner."""


class Committer:
    """Commits batches, one after the other, on one connection.

    The loop goes the short way itself, without waiting: a thread would have to be woken for each,
    and to be handed the interpreter and hand it back. Whatever is not answered as it should be, and
    soon, is the thread's: it looks after connections that are silent or lost, tries again, and goes
    the long way.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._conn: Connection[Any] | None = None
        """The thread's connection, which it does not use while it has nothing to do."""

    async def commit(self, deliveries: Sequence[Delivery]) -> list[Recording]:
        """Do what `Ledger.record` does."""
        asked = self._ask(deliveries)
        if asked is not None and asked.is_sent and await _is_heard(asked):
            if (first := _position(asked)) is not None:
                return new_receipts(first, len(deliveries))
            asked = None
        return await self._in_thread(self._ledger.record, deliveries, asked)

    async def check(self) -> None:
        """Do what `Ledger.check` does.

        Raises:
            PersistenceError: a batch would not be committed.
        """
        await self._in_thread(self._ledger.check)

    def close(self) -> None:
        """End the thread, which has nothing to do."""
        self._thread.shutdown()

    def _ask(self, deliveries: Sequence[Delivery]) -> Question | None:
        conn = self._conn
        if conn is None or conn.closed:
            return None
        try:
            events = new_events((delivery, route(delivery)) for delivery in deliveries)
            return ask_to_record(conn, events) if events else None
        except (psycopg.Error, UnicodeError):
            return None

    async def _in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        def run() -> T:
            try:
                return work(*args, **kwargs)
            finally:
                self._conn = self._ledger.connection

        return await asyncio.get_running_loop().run_in_executor(self._thread, run)


async def _is_heard(asked: Question) -> bool:
    """Listen for an answer, and tell whether all of it has come, or the connection is lost."""
    loop, socket = asyncio.get_running_loop(), asked.socket
    heard: asyncio.Future[bool] = loop.create_future()

    def hear() -> None:
        try:
            is_heard = asked.hear()
        except psycopg.OperationalError:
            is_heard = True
        if is_heard:
            end(is_heard=True)

    def end(*, is_heard: bool) -> None:
        loop.remove_reader(socket)  # at once: it may be closed, and its number be another's
        timer.cancel()
        if not heard.done():
            heard.set_result(is_heard)

    timer = loop.call_later(LISTEN_S, partial(end, is_heard=False))
    loop.add_reader(socket, hear)
    return await heard


def _position(asked: Question) -> int | None:
    try:
        return cast("int | None", asked.value())
    except psycopg.Error:
        return None
