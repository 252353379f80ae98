"""Commits for an event loop, which sends a batch and hears its answer by itself."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

import psycopg

from domain.aggregates.routing import route
from ledger.application import new_receipts
from ledger.new_events import ask_to_record, new_events
from ledger.telling import ask_to_tell

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
TELL_EVERY_S: Final = 0.02
"""How often those who follow the log are told that it has grown, at the most. They take a page no
more often themselves (`ledger.following.leader`)."""


class Committer:
    """Commits batches, one after the other, on one connection.

    The loop goes the short way itself, without waiting: a thread would have to be woken for each,
    and to be handed the interpreter and hand it back. Whatever is not answered as it should be, and
    soon, is the thread's: it looks after connections that are silent or lost, tries again, and goes
    the long way.

    A commit that comes within `TELL_EVERY_S` of one that told those who follow the log does not
    tell them. It is to be told by another one, or by `tell`.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._conn: Connection[Any] | None = None
        """The thread's connection, which it does not use while it has nothing to do."""
        self._ear: _Ear | None = None
        """What hears the answers on that connection, while the thread has nothing to do."""
        self._tell_again_at = 0.0
        self._is_told = True

    @property
    def tell_in_s(self) -> float | None:
        """In how many seconds `tell` is to be called, None where all is told."""
        return None if self._is_told else max(self._tell_again_at - time.monotonic(), 0.0)

    async def commit(self, deliveries: Sequence[Delivery]) -> list[Recording]:
        """Do what `Ledger.record` does."""
        began = time.monotonic()
        tells = began >= self._tell_again_at
        question = self._ask(partial(_recording, deliveries, tells))
        first, asked = await self._answer(question)
        if first is None:
            self._is_told &= tells or question is None  # what the thread records itself, it tells
            return await self._in_thread(self._ledger.record, deliveries, asked)
        self._is_told = tells
        if tells:
            self._tell_again_at = began + TELL_EVERY_S
        return new_receipts(first, len(deliveries))

    async def tell(self) -> None:
        """Tell those who follow the log what was committed and is not told yet; try it once.

        Raises:
            PersistenceError: it is not known whether they were told. They look by themselves, too.
        """
        if self._is_told:
            return
        self._is_told, self._tell_again_at = True, time.monotonic() + TELL_EVERY_S
        told, asked = await self._answer(self._ask(ask_to_tell))
        if told is None:
            await self._in_thread(self._ledger.tell, asked)

    async def check(self) -> None:
        """Do what `Ledger.check` does.

        Raises:
            PersistenceError: a batch would not be committed.
        """
        await self._in_thread(self._ledger.check)

    def close(self) -> None:
        """End the thread, which has nothing to do, in the loop."""
        self._stop_hearing()
        self._thread.shutdown()

    def _ask(self, ask: Callable[[Connection[Any]], Question | None]) -> Question | None:
        conn = self._conn
        if conn is None or conn.closed:
            return None
        try:
            return ask(conn)
        except (psycopg.Error, UnicodeError):
            return None

    async def _answer(self, asked: Question | None) -> tuple[Any, Question | None]:
        """Return the answer, None where there is none; and what the thread is to wait for."""
        if asked is None or not asked.is_sent or not await self._hears(asked):
            return None, asked
        try:
            return asked.value(), None
        except psycopg.Error:
            return None, None

    async def _hears(self, asked: Question) -> bool:
        if self._ear is None or not self._ear.is_open:
            self._ear = _Ear(asked.socket)
        return await self._ear.hears(asked)

    def _stop_hearing(self) -> None:
        if self._ear is not None and self._ear.is_open:
            self._ear.close()

    async def _in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        self._stop_hearing()

        def run() -> T:
            try:
                return work(*args, **kwargs)
            finally:
                self._conn = self._ledger.connection

        return await asyncio.get_running_loop().run_in_executor(self._thread, run)


def _recording(
    deliveries: Sequence[Delivery], tells: bool, conn: Connection[Any]
) -> Question | None:
    events = new_events((delivery, route(delivery)) for delivery in deliveries)
    return ask_to_record(conn, events, tells=tells) if events else None


class _Ear:
    """Hears the answers to what is asked on a connection.

    The loop is told of the socket once: that takes longer than to hear an answer. Whoever else
    is to work on the connection closes it first.
    """

    def __init__(self, socket: int) -> None:
        self.is_open = True
        self._loop = asyncio.get_running_loop()
        self._socket = socket
        self._loop.add_reader(self._socket, self._hear)
        self._asked: tuple[Question, asyncio.Future[bool]] | None = None

    async def hears(self, asked: Question) -> bool:
        """Listen for an answer, and tell whether all of it came soon, or the connection is lost."""
        heard: asyncio.Future[bool] = self._loop.create_future()
        self._asked = asked, heard
        timer = self._loop.call_later(LISTEN_S, partial(self._end, is_heard=False))
        try:
            return await heard
        finally:
            timer.cancel()

    def close(self) -> None:
        """Hear nothing more."""
        self.is_open = False
        self._loop.remove_reader(self._socket)

    def _hear(self) -> None:
        if self._asked is None:  # nobody has asked: the connection is lost, most likely
            self.close()
            return
        try:
            is_heard = self._asked[0].hear()
        except psycopg.OperationalError:
            self.close()  # at once: the socket is closed, and its number may be another's
            is_heard = True
        if is_heard:
            self._end(is_heard=True)

    def _end(self, *, is_heard: bool) -> None:
        if self._asked is not None:
            _, heard = self._asked
            self._asked = None
            if not heard.done():
                heard.set_result(is_heard)
