"""What takes long, done in a thread of its own: the server's loop takes webhooks meanwhile."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

T = TypeVar("T")
AHEAD_MAX: Final = 2
"""So many items wait to be taken at the most; then the thread waits."""


class _End(NamedTuple):
    """Behind the last item: what ended the generator, if anything did."""

    error: Exception | None


class Aside(Generic[T]):
    """The items of a generator that runs in a thread, on a loop of its own.

    It begins with a block and ends with it, wherever it is by then.
    """

    def __init__(self, make: Callable[[], AsyncGenerator[T, None]]) -> None:
        self._make = make
        self._made: asyncio.Queue[T | _End] = asyncio.Queue(AHEAD_MAX)
        self._takers = asyncio.get_running_loop()
        # psycopg can wait on no other loop.
        self._runner = asyncio.Runner(loop_factory=asyncio.SelectorEventLoop)
        self._own = self._runner.get_loop()
        self._thread = Thread(target=self._work, name="export")
        self._task: asyncio.Task[Any] | None = None
        self._is_over = False

    async def __aenter__(self) -> Aside[T]:
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        with suppress(RuntimeError):  # its loop is closed: it has ended by itself
            self._own.call_soon_threadsafe(self._end)
        await asyncio.to_thread(self._thread.join)

    async def next(self) -> T | None:
        """Return the next item, None behind the last.

        Raises:
            Exception: what ended the generator.
        """
        made = await self._made.get()
        if not isinstance(made, _End):
            return made
        if made.error is not None:
            raise made.error
        return None

    def _end(self) -> None:
        self._is_over = True
        if self._task is not None:
            self._task.cancel()

    def _work(self) -> None:
        with self._runner as runner, suppress(asyncio.CancelledError):
            runner.run(self._run())

    async def _run(self) -> None:
        self._task = asyncio.current_task()
        if self._is_over:
            return
        error = None
        try:
            async with aclosing(self._make()) as items:
                async for item in items:
                    await self._hand_over(item)
        except Exception as caught:  # noqa: BLE001 -- it is raised where the items are taken
            error = caught
        await self._hand_over(_End(error))

    async def _hand_over(self, made: T | _End) -> None:
        putting = asyncio.run_coroutine_threadsafe(self._made.put(made), self._takers)
        await asyncio.wrap_future(putting)
