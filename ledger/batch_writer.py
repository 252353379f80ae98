"""A thread that commits, as one batch, what has queued up while the last commit ran."""

from __future__ import annotations

import logging
import time
from collections import deque
from contextlib import contextmanager
from threading import Condition, Event, Thread
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

from eventsourcing.persistence import PersistenceError

from ledger.application import Receipt, Recording, is_away, reason
from telemetry.redaction import kind_of, origin_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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

Token = TypeVar("Token")


def _ignore(_queued: int) -> None:
    pass


class QueueFullError(Exception):
    """As much waits to be committed as may wait; try again later."""


class Settled(NamedTuple, Generic[Token]):
    """The answer to one submission."""

    token: Token
    answer: Recording


class Writer(Generic[Token]):
    """Groups deliveries into commits: under load the batches grow by themselves.

    Senders that wait for their answers would fall into groups which take turns, each with a commit
    of its own. So who was answered is waited for, to come into one batch with those that are there
    already: for `GATHER_S` at the most, and never where it was a single one.

    `resolve` is called in the writer's thread after each commit, with the answers to the whole
    batch and the seconds that it took; `show_queue` at once when more or fewer wait for their
    commit to begin. What was submitted before `stop` is committed, unless the database is away
    then.
    """

    def __init__(
        self,
        ledger: Ledger,
        resolve: Callable[[list[Settled[Token]], float], None],
        *,
        queue_max: int = QUEUE_MAX,
        queue_bytes_max: int = QUEUE_BYTES_MAX,
        show_queue: Callable[[int], None] = _ignore,
    ) -> None:
        self._ledger = ledger
        self._resolve = resolve
        self._queue_max = queue_max
        self._queue_bytes_max = queue_bytes_max
        self._show_queue = show_queue
        self._queue: deque[tuple[Delivery, Token]] = deque()
        self._queue_bytes = 0
        self._changed = Condition()
        self._wanted = 1
        """So many must be queued for the thread to be woken."""
        self._stopping = False
        self._busy_since: float | None = None
        self._problem: str | None = None
        self._looked = Event()
        self._thread = Thread(target=self._run, name="writer")

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

    def start(self) -> None:
        """Look whether the database is there, and begin to commit."""
        self._thread.start()
        self._looked.wait()

    def stop(self) -> None:
        """Commit what is queued, then end the thread; later submissions are refused."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def submit(self, delivery: Delivery, token: Token) -> None:
        """Queue a delivery; `resolve` will be called with its token.

        Raises:
            QueueFullError: the queue is full, or the writer is stopping.
        """
        with self._changed:
            if self._stopping or self.is_full:
                raise QueueFullError
            self._queue.append((delivery, token))
            self._queue_bytes += len(delivery.body)
            self._show_queue(len(self._queue))
            if len(self._queue) == self._wanted:
                self._changed.notify()

    def _run(self) -> None:
        try:
            self._check()  # on the connection that the first batch takes
        finally:
            self._looked.set()
        expected = 1
        while (batch := self._next_batch(expected)) or not self._stopping:
            if not batch:
                self._check()
                expected = 1
                continue
            began = time.perf_counter()
            answers = self._commit([delivery for delivery, _ in batch])
            took_s = time.perf_counter() - began
            expected = len(batch) + self.queued  # before anybody can have come again
            tokens = [token for _, token in batch]
            settled = [Settled(*pair) for pair in zip(tokens, answers, strict=True)]
            try:
                self._resolve(settled, took_s)
            except Exception as error:  # noqa: BLE001 -- the next batch must have its answers
                _log.error(
                    "%d webhooks are stored but not answered: %s", len(settled), origin_of(error)
                )

    def _next_batch(self, expected: int) -> list[tuple[Delivery, Token]]:
        batch: list[tuple[Delivery, Token]] = []
        batch_bytes = 0
        with self._changed:
            if expected > 1:
                self._await(min(expected, BATCH_MAX), GATHER_S)
            self._await(1, CHECK_EVERY_S)
            while self._queue and len(batch) < BATCH_MAX and batch_bytes < BATCH_BYTES_MAX:
                batch.append(self._queue.popleft())
                batch_bytes += len(batch[-1][0].body)
            self._queue_bytes -= batch_bytes
            self._show_queue(len(self._queue))
        return batch

    def _await(self, wanted: int, limit_s: float) -> None:
        self._wanted = wanted
        self._changed.wait_for(
            lambda: (
                self._stopping or len(self._queue) >= wanted or self._queue_bytes >= BATCH_BYTES_MAX
            ),
            limit_s,
        )

    def _check(self) -> None:
        with self._busy():
            try:
                self._ledger.check()
            except PersistenceError as error:
                self._report(reason(error))
            except Exception as error:  # noqa: BLE001 -- logged, and checked again
                self._report("a defect")
                _log.error("the database cannot be looked at: %s", origin_of(error))
            else:
                self._report(None)

    def _commit(self, deliveries: list[Delivery]) -> list[Recording]:
        if self._stopping and self._problem:
            return [PersistenceError(self._problem)] * len(deliveries)
        with self._busy():
            answers = self._record(deliveries)
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

    def _record(self, deliveries: list[Delivery]) -> list[Recording]:
        try:
            return self._ledger.record(deliveries)
        except Exception as error:  # noqa: BLE001 -- a defect must not leave requests unanswered
            _log.error("a batch of %d failed by a defect: %s", len(deliveries), origin_of(error))
            return [PersistenceError(kind_of(error))] * len(deliveries)
