"""How far the read models are, and waiting until they are far enough."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import psycopg

from api.http.errors import not_now
from postgres.connections import READING, connect_async
from postgres.failures import reason_of
from postgres.notices import hear
from projections.live.projector import CHANNEL

if TYPE_CHECKING:
    from postgres.statement import Statement

_log = logging.getLogger(__name__)

WAIT_S: Final = 5.0
POLL_S: Final = 0.5
"""How often the position is asked for when no notification tells it."""


class Freshness:
    """Follows the follower's position, on a connection of its own."""

    def __init__(self, conninfo: str, select_position: Statement) -> None:
        self._conninfo = conninfo
        self._select_position = select_position
        self._task: asyncio.Task[None] | None = None
        self._moved = asyncio.Event()
        self.is_known = True
        """Whether the database tells it; else `position` is what it told last."""
        self.position = 0

    def start(self) -> None:
        """Begin to listen."""
        self._task = asyncio.create_task(self._follow(), name="freshness")

    async def stop(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def reach(self, position: int) -> None:
        """Return once the read models show the log up to a position.

        Raises:
            ApiError: 503, they do not within `WAIT_S`; or the log itself is not that far.
        """
        if self.position >= position:
            return
        try:
            async with asyncio.timeout(WAIT_S):
                while self.position < position:
                    await self._moved.wait()
        except TimeoutError as error:
            message = f"the read models do not show position {position} yet"
            details = {"position": str(self.position)}
            raise not_now("not_yet", message, details) from error

    async def moved(self, position: int) -> int:
        """Return the position once it is another one."""
        while self.position == position:
            await self._moved.wait()
        return self.position

    async def _follow(self) -> None:
        while True:
            try:
                await self._listen()
            except psycopg.Error as error:
                if self.is_known:
                    _log.warning("the position is not known for now: %s", reason_of(error))
            self.is_known = False
            await asyncio.sleep(POLL_S)

    async def _listen(self) -> None:
        async with await connect_async(self._conninfo, READING, "raphus-freshness") as conn:
            await conn.execute(f"LISTEN {CHANNEL}".encode())
            while True:
                cursor = await conn.execute(*self._select_position)
                row = await cursor.fetchone()
                self._move(row[0] if row else 0)
                self.is_known = True
                await hear(conn, lambda payload: self._move(int(payload)), POLL_S)

    def _move(self, position: int) -> None:
        if position != self.position:
            self.position = position
            self._moved.set()
            self._moved = asyncio.Event()
