"""Posts webhooks from several threads, as Dodo does: again until acknowledged."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import cycle
from threading import Event, Lock
from typing import TYPE_CHECKING, Final, NamedTuple

import httpx

from api.webhooks.endpoint import PATH
from simulator import as_dodo_delivers, merchant
from tests.support.http_server import signed
from tests.support.program import client
from tests.support.waiting import GUARD_S, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future

UNTIL: Final = datetime(2026, 11, 1, tzinfo=UTC)
THREADS: Final = 8
PAUSE_S: Final = 0.1
NO_ANSWER: Final = 0
"""Stands for the status of a request that was not answered."""


class Webhook(NamedTuple):
    """What is posted."""

    webhook_id: str
    body: bytes


class Acknowledgement(NamedTuple):
    """A webhook that was answered with 200, and the answer."""

    webhook: Webhook
    position: int
    duplicate: bool


def simulated(customers: int, seed: int) -> list[Webhook]:
    """Make what a merchant's customers cause, late, shuffled and repeated as Dodo may."""
    occurrences = merchant(seed, customers=customers, until=UNTIL)
    postings = as_dodo_delivers(occurrences, seed, window_s=3_000, repeated=0.2, delayed=0.2)
    return [Webhook(posting.webhook_id, posting.body) for posting in postings]


class Supply:
    """All webhooks, and then all of them again, until it is enough.

    However long a test takes to strike, there is something under way.
    """

    def __init__(self, webhooks: Sequence[Webhook], pace_s: float = 0.0) -> None:
        self._webhooks = webhooks
        self._pace_s = pace_s
        self._enough = Event()

    def __iter__(self) -> Iterator[Webhook]:
        """Give one after the other, with a pause before each."""
        for number, webhook in enumerate(cycle(self._webhooks)):
            if self._enough.is_set() and number >= len(self._webhooks):
                return
            time.sleep(self._pace_s)
            yield webhook

    def end(self) -> None:
        """Let it end when all have been given once."""
        self._enough.set()


class Sender:
    """Posts webhooks, and remembers which were acknowledged.

    `url` is asked anew for each attempt. `failed` counts, by status, the attempts that a later
    one made good. Any other answer than 200 and 503 ends it with an error.
    """

    def __init__(self, webhooks: Iterable[Webhook], url: Callable[[], str]) -> None:
        self.acknowledged: list[Acknowledgement] = []
        self.failed: Counter[int] = Counter()
        self._waiting = iter(webhooks)
        self._url = url
        self._lock = Lock()
        self._given_up = Event()
        self._work: list[Future[None]] = []

    @property
    def sends(self) -> bool:
        """Whether all threads are still posting."""
        return not any(work.done() for work in self._work)

    def until(self, count: int) -> None:
        """Wait until so many webhooks are acknowledged."""
        until(lambda: len(self.acknowledged) >= count or not self.sends)
        self._check()
        assert len(self.acknowledged) >= count, "there were too few webhooks"

    def give_up(self) -> None:
        """Begin no further attempt."""
        self._given_up.set()

    def start(self, pool: ThreadPoolExecutor) -> None:
        """Begin to post."""
        self._work = [pool.submit(self._run) for _ in range(THREADS)]

    def finish(self) -> None:
        """Wait until every webhook is acknowledged, or all that was begun after giving up."""
        for work in self._work:
            work.result()

    def _check(self) -> None:
        for work in self._work:
            if work.done():
                work.result()

    def _run(self) -> None:
        with client() as connected:
            while (webhook := self._next()) is not None:
                self._deliver(connected, webhook)

    def _next(self) -> Webhook | None:
        with self._lock:
            return None if self._given_up.is_set() else next(self._waiting, None)

    def _deliver(self, connected: httpx.Client, webhook: Webhook) -> None:
        give_up_at = time.monotonic() + GUARD_S
        while not self._given_up.is_set():
            status = self._attempt(connected, webhook)
            if status == 200:
                return
            assert status in {NO_ANSWER, 503}, f"{webhook.webhook_id} is answered {status}"
            assert time.monotonic() < give_up_at, f"{webhook.webhook_id} is not acknowledged"
            with self._lock:
                self.failed[status] += 1
            self._given_up.wait(PAUSE_S)

    def _attempt(self, connected: httpx.Client, webhook: Webhook) -> int:
        webhook_id, body = webhook
        headers = signed(body, webhook_id)
        try:
            response = connected.post(self._url() + PATH, content=body, headers=headers)
        except httpx.TransportError:
            return NO_ANSWER
        if response.status_code == 200:
            said = response.json()
            self.acknowledged.append(
                Acknowledgement(webhook, int(said["position"]), said["duplicate"])
            )
        return response.status_code


@contextmanager
def sending(webhooks: Iterable[Webhook], url: Callable[[], str]) -> Iterator[Sender]:
    """Post webhooks while the block runs; it ends when all of them are acknowledged."""
    sender = Sender(webhooks, url)
    with ThreadPoolExecutor(THREADS) as pool:
        sender.start(pool)
        try:
            yield sender
            sender.finish()
        finally:
            sender.give_up()
