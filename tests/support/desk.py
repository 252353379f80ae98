"""A writer in an event loop of its own, and where its answers go."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

from ledger.application import Receipt
from ledger.batch_writer import Writer

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Sequence

    from domain.delivery import Delivery
    from ledger.application import Ledger, Recording

T = TypeVar("T")


class Desk:
    """Hands deliveries to a writer, and keeps what it answers, batch by batch."""

    def __init__(self, ledger: Ledger, loop: asyncio.AbstractEventLoop, **limits: Any) -> None:  # noqa: ANN401 -- the writer's
        self._loop = loop
        self.writer = Writer(ledger, self._take, **limits)
        self.batches: list[list[tuple[Delivery, Recording]]] = []
        self.commits_s: list[float] = []
        self._answers: list[asyncio.Future[Recording]] = []

    def submit(self, deliveries: Sequence[Delivery]) -> None:
        """Hand them over, all before the writer does anything else.

        Raises:
            QueueFullError: the writer does not take one of them.
        """

        async def submit_all() -> None:
            for delivery in deliveries:
                self._answers.append(self.writer.submit(delivery))

        self._run(submit_all())

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the writer, and stop it, also where the test fails."""
        self._run(self.writer.start())
        try:
            yield
        finally:
            self._run(self.writer.stop())

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _take(
        self, deliveries: Sequence[Delivery], answers: Sequence[Recording], commit_s: float
    ) -> None:
        self.batches.append(list(zip(deliveries, answers, strict=True)))
        self.commits_s.append(commit_s)

    @property
    def sizes(self) -> list[int]:
        """How many there were in each batch."""
        return [len(batch) for batch in self.batches]

    @property
    def settled(self) -> list[tuple[Delivery, Recording]]:
        """What was answered to whom, in the order in which it was handed over."""
        told = [one for batch in self.batches for one in batch]
        answered = [each.result() for each in self._answers[: len(told)]]
        assert answered == [answer for _, answer in told]
        return told

    def has(self, answers: int) -> bool:
        """Tell whether so many were answered."""
        return sum(self.sizes) == answers

    def acknowledged(self) -> dict[Delivery, int]:
        """Return the positions of those that were stored."""
        found: dict[Delivery, int] = {}
        for delivery, answer in self.settled:
            if isinstance(answer, Receipt):
                assert found.setdefault(delivery, answer.position) == answer.position
        return found


@contextmanager
def desk_of(ledger: Ledger, **limits: int) -> Iterator[Desk]:
    """Make a writer with these limits of its queue, that does not run yet."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, name="desk")
    thread.start()
    try:
        yield Desk(ledger, loop, **limits)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
