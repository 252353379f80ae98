"""Commits, as one batch, what has queued up while the last commit ran; all in an event loop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from eventsourcing.persistence import PersistenceError

from ledger.application import Receipt, Recording, is_away, reason
from ledger.committer import Committer
from telemetry.redaction import kind_of, origin_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from domain.delivery import Delivery
    from ledger.application import Ledger

_log = logging.getLogger(__name__)

QUEUE_MAX: Final = 10_000
QUEUE_BYTES_MAX: Final = 64 * 2**20
BATCH_MAX: Final = 500
BATCH_BYTES_MAX: Final = 8 * 2**20
GATHER_S: Final = 0.002
"""How long after a commit those whom it answered are waited for, who may send again at once."""
CHECK_EVERY_S: Final = 1.0
"""How often a writer with nothing to do looks whether it could do it."""
SLOW_S: Final = 2.0
"""A commit that takes longer is one that may never end."""


def _ignore(*_: object) -> None:
    pass


class QueueFullError(Exception):
    """As much waits to be committed as may wait; try again later."""


class _Waiting(NamedTuple):
    delivery: Delivery
    answer: asyncio.Future[Recording]


class Writer:
    """Groups deliveries into commits: under load the batches grow by themselves.

    Senders that wait for their answers would fall into groups which take turns, each with a commit
    of its own. So who was answered is waited for, to come into one batch with those that are there
    already: for `GATHER_S` at the most, and never where it was a single one.

    All of it is called in one event loop. `show_batch` is called with each batch that was answered,
    its answers and the seconds that its commit took; `show_queue` at once when more or fewer wait
    for their commit to begin. What was submitted before `stop` is committed, unless the database is
    away then.
    """

    def __init__(
        self,
        ledger: Ledger,
        show_batch: Callable[[Sequence[Delivery], Sequence[Recording], float], None] = _ignore,
        *,
        queue_max: int = QUEUE_MAX,
        queue_bytes_max: int = QUEUE_BYTES_MAX,
        show_queue: Callable[[int], None] = _ignore,
    ) -> None:
        self._committer = Committer(ledger)
        self._show_batch = show_batch
        self._queue_max = queue_max
        self._queue_bytes_max = queue_bytes_max
        self._show_queue = show_queue
        self._queue: deque[_Waiting] = deque()
        self._queue_bytes = 0
        self._wanted = 1
        """So many must be queued for the writer to be woken."""
        self._woken: asyncio.Future[None] | None = None
        self._stopping = False
        self._busy_since: float | None = None
        self._problem: str | None = None
        self._running: asyncio.Task[None] | None = None

    @property
    def queued(self) -> int:
        """How many deliveries wait for their commit to begin."""
        return len(self._queue)

    @property
    def is_full(self) -> bool:
        """Whether as much waits as may."""
        return len(self._queue) >= self._queue_max or self._queue_bytes >= self._queue_bytes_max

    @property
    def problem(self) -> str | None:
        """Why a delivery would not be stored now, in words for the public; None where it would."""
        since = self._busy_since
        if since is not None and time.monotonic() - since > SLOW_S:
            return self._problem or "the database does not answer"
        return self._problem

    async def start(self) -> None:
        """Look whether the database is there, and begin to commit."""
        await self._check()  # on the connection that the first batch takes
        self._running = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Commit what is queued, and end; later submissions are refused."""
        self._stopping = True
        self._wake()
        if self._running is not None:
            await self._running
        self._committer.close()

    def submit(self, delivery: Delivery) -> asyncio.Future[Recording]:
        """Queue a delivery; return what will be its answer.

        Raises:
            QueueFullError: the queue is full, or the writer is stopping.
        """
        if self._stopping or self.is_full:
            raise QueueFullError
        answer = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(delivery, answer))
        self._queue_bytes += len(delivery.body)
        self._show_queue(len(self._queue))
        if self._has(self._wanted):
            self._wake()
        return answer

    async def _run(self) -> None:
        loop, expected = asyncio.get_running_loop(), 1
        while (batch := await self._next_batch(expected)) or not self._stopping:
            if not batch:
                await self._rest()
                expected = 1
                continue
            began = time.perf_counter()
            deliveries = [one.delivery for one in batch]
            answers = await self._commit(deliveries)
            took_s = time.perf_counter() - began
            expected = len(batch) + self.queued  # before anybody can have come again
            for one, answer in zip(batch, answers, strict=True):
                if not one.answer.done():  # a request that was cancelled waits no more
                    one.answer.set_result(answer)
            # Behind those who are answered: nobody waits for that.
            loop.call_soon(self._show, deliveries, answers, took_s)
        await self._tell()

    def _show(
        self, deliveries: Sequence[Delivery], answers: Sequence[Recording], took_s: float
    ) -> None:
        try:
            self._show_batch(deliveries, answers, took_s)
        except Exception as error:  # noqa: BLE001 -- the next batch must have its answers
            _log.error("%d webhooks are not counted: %s", len(answers), origin_of(error))

    async def _next_batch(self, expected: int) -> list[_Waiting]:
        if expected > 1:
            await self._await(min(expected, BATCH_MAX), GATHER_S)
        tell_in_s = self._committer.tell_in_s
        await self._await(1, CHECK_EVERY_S if tell_in_s is None else tell_in_s)
        batch: list[_Waiting] = []
        batch_bytes = 0
        while self._queue and len(batch) < BATCH_MAX and batch_bytes < BATCH_BYTES_MAX:
            batch.append(self._queue.popleft())
            batch_bytes += len(batch[-1].delivery.body)
        self._queue_bytes -= batch_bytes
        self._show_queue(len(self._queue))
        return batch

    async def _await(self, wanted: int, limit_s: float) -> None:
        """Wait until so many are queued, but no longer than so many seconds."""
        if self._has(wanted):
            return
        loop = asyncio.get_running_loop()
        self._wanted, self._woken = wanted, loop.create_future()
        timer = loop.call_later(limit_s, self._wake)
        try:
            await self._woken
        finally:
            timer.cancel()
            self._woken = None

    def _has(self, wanted: int) -> bool:
        return self._stopping or len(self._queue) >= wanted or self._queue_bytes >= BATCH_BYTES_MAX

    def _wake(self) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    async def _rest(self) -> None:
        """Do what is done while nothing waits: tell what is not told yet, or look."""
        if self._committer.tell_in_s is None:
            await self._check()
        else:
            await self._tell()

    async def _tell(self) -> None:
        try:
            with self._busy():
                await self._committer.tell()
        except Exception:  # noqa: BLE001 -- who follows looks by itself; the check says what is wrong
            await self._check()

    async def _check(self) -> None:
        with self._busy():
            try:
                await self._committer.check()
            except PersistenceError as error:
                self._report(reason(error))
            except Exception as error:  # noqa: BLE001 -- logged, and checked again
                self._report("a defect")
                _log.error("the database cannot be looked at: %s", origin_of(error))
            else:
                self._report(None)

    async def _commit(self, deliveries: Sequence[Delivery]) -> Sequence[Recording]:
        if self._stopping and self._problem:
            return [PersistenceError(self._problem)] * len(deliveries)
        with self._busy():
            answers = await self._record(deliveries)
        if any(isinstance(answer, Receipt) for answer in answers):
            self._report(None)
        elif outages := [
            answer for answer in answers if isinstance(answer, PersistenceError) and is_away(answer)
        ]:
            self._report(reason(outages[0]))
        return answers

    @contextmanager
    def _busy(self) -> Iterator[None]:
        self._busy_since = time.monotonic()
        try:
            yield
        finally:
            self._busy_since = None

    def _report(self, problem: str | None) -> None:
        if problem is None and self._problem is not None:
            _log.info("webhooks are stored again")
        elif problem is not None and self._problem is None:
            _log.error("no webhook can be stored: %s", problem)
        self._problem = problem

    async def _record(self, deliveries: Sequence[Delivery]) -> Sequence[Recording]:
        try:
            return await self._committer.commit(deliveries)
        except Exception as error:  # noqa: BLE001 -- a defect must not leave requests unanswered
            _log.error("a batch of %d failed by a defect: %s", len(deliveries), origin_of(error))
            return [PersistenceError(kind_of(error))] * len(deliveries)
