"""Answers that cost much and may be a little old: each says of when it is, and is worked out once.

Whoever wants one that is too old waits for the one that is on its way, so that a question costs the
database one answer in a while, however many look and however often.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

Answer = TypeVar("Answer")
KEPT_MAX: Final = 64
KEPT_S: Final = 3_600.0
"""How long an answer is kept to be shown while a new one is on its way."""


class _Kept(NamedTuple):
    at: float
    answer: Any


class Lately:
    """Keeps the newest answers to a few questions."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[Hashable, _Kept] = {}
        """In the order in which they were worked out."""
        self._coming: dict[Hashable, asyncio.Task[Any]] = {}

    def answer(self, question: Hashable) -> tuple[Any, float] | None:
        """Return the newest answer with its age in seconds; None where there is none to show."""
        kept = self._kept.get(question)
        if kept is None:
            return None
        age_s = self._clock() - kept.at
        return (kept.answer, age_s) if age_s <= KEPT_S else None

    async def ask(
        self, question: Hashable, work: Callable[[], Awaitable[Answer]], *, age_max_s: float
    ) -> Answer:
        """Return an answer that is no older; where there is none, have one worked out.

        Raises:
            ApiError: as the work does.
        """
        kept: tuple[Answer, float] | None = self.answer(question)
        if kept is not None and kept[1] <= age_max_s:
            return kept[0]
        coming: asyncio.Task[Answer] | None = self._coming.get(question)
        if coming is None:
            coming = asyncio.create_task(self._work_out(question, work))
            self._coming[question] = coming
            coming.add_done_callback(lambda done: done.cancelled() or done.exception())
        # Who leaves does not take it from the others.
        return await asyncio.shield(coming)

    async def _work_out(self, question: Hashable, work: Callable[[], Awaitable[Answer]]) -> Answer:
        began = self._clock()
        try:
            answer = await work()
        finally:
            del self._coming[question]
        self._kept.pop(question, None)
        self._kept[question] = _Kept(began, answer)
        while len(self._kept) > KEPT_MAX:
            del self._kept[next(iter(self._kept))]
        return answer
