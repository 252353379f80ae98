"""The read models as they were known at a time: built when first asked for, dropped when unused."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import psycopg

from api.http.errors import not_now
from api.queries.database import SnapshotGoneError
from ledger.following.known_position import position_at
from ledger.following.pages import LogError
from postgres.failures import AWAY, reason_of
from projections.rebuild import snapshots
from projections.rebuild.workers import FoldingError
from telemetry.progress import silent

if TYPE_CHECKING:
    from datetime import datetime

    from api.http.errors import ApiError
    from api.queries.database import Database
    from postgres.statement import Row, Statement
    from telemetry.progress import Progress

_log = logging.getLogger(__name__)

WAIT_S: Final = 5.0
"""How long a request waits for a snapshot to be built before it is told to come again."""
BUILDING_MAX: Final = 4
USED_EVERY_S: Final = 60.0
"""How often it is noted at the most that a snapshot is used."""
TIDY_EVERY_S: Final = 300.0


class SnapshotCache:
    """Answers from the read models as they were known at some time.

    Who is `patient` waits until a snapshot is built, whose progress is told meanwhile.
    """

    def __init__(
        self,
        conninfo: str,
        database: Database,
        *,
        patient: bool = False,
        progress: Progress = silent,
    ) -> None:
        self._conninfo = conninfo
        self._database = database
        self._wait_s = None if patient else WAIT_S
        self._progress = progress
        self._building: dict[int, asyncio.Task[ApiError | None]] = {}
        self._noted_at: dict[int, float] = {}
        self._tidying: asyncio.Task[None] | None = None
        self._stopping = False

    def start(self) -> None:
        """Begin to drop, from time to time, what nobody uses any more."""
        self._tidying = asyncio.create_task(self._tidy(), name="tidy snapshots")

    async def stop(self) -> None:
        """Stop; what is being built is given up at the next step."""
        self._stopping = True
        if self._tidying is not None:
            self._tidying.cancel()
            with suppress(asyncio.CancelledError):
                await self._tidying
        await asyncio.gather(*self._building.values())

    async def position(self, known_at: datetime | None) -> int | None:
        """Return up to which position the log was known at a time; without a time, None.

        Every answer about what was known rests on this, so that all of them agree.

        Raises:
            ApiError: 503; the database is away.
        """
        if known_at is None:
            return None
        row = await self._database.row(position_at(known_at))
        return int(str(row[0])) if row else 0

    async def rows(self, statement: Statement, position: int | None) -> list[Row]:
        """Run a statement on the read models as known at a position; without one, on the live ones.

        Raises:
            ApiError: 503; they are still being built, or the database is away.
        """
        if position is None:
            return await self._database.rows(statement)
        for _ in range(2):
            await self._have(position)
            with suppress(SnapshotGoneError):
                return await self._database.rows(statement, position)
            # Since it was noted it was dropped, by an erasure or for others that are used more,
            # or the database crashed.
            self._noted_at.pop(position, None)
        raise preparing()

    async def _have(self, position: int) -> None:
        if time.monotonic() < self._noted_at.get(position, -USED_EVERY_S) + USED_EVERY_S:
            return
        building = self._building.get(position) or self._begin(position)
        try:
            problem = await asyncio.wait_for(asyncio.shield(building), self._wait_s)
        except TimeoutError as error:
            raise preparing() from error
        if problem is not None:
            raise problem

    def _begin(self, position: int) -> asyncio.Task[ApiError | None]:
        if len(self._building) >= BUILDING_MAX:
            raise not_now("busy", "too many times in the past are being prepared", retry_s=10)
        building = asyncio.create_task(self._provide(position), name=f"snapshot {position}")
        self._building[position] = building
        building.add_done_callback(lambda _: self._building.pop(position))
        return building

    async def _provide(self, position: int) -> ApiError | None:
        try:
            await asyncio.to_thread(snapshots.provide, self._conninfo, position, self._tell)
        except psycopg.Error:
            return not_now("unavailable", AWAY)
        except _StoppedError:
            return not_now("stopping", "the server stops")
        except (FoldingError, LogError) as error:
            _log.error("the read models of the past cannot be built: %s", error)
            return not_now("unavailable", "the read models of that time cannot be built now")
        now = time.monotonic()
        recent = {
            noted: noted_at
            for noted, noted_at in self._noted_at.items()
            if noted_at + USED_EVERY_S > now
        }
        self._noted_at = recent | {position: now}
        return None

    def _tell(self, phase: str, done: int, total: int) -> None:
        if self._stopping:
            raise _StoppedError
        self._progress(phase, done, total)

    async def _tidy(self) -> None:
        while True:
            try:
                await asyncio.to_thread(snapshots.drop_unused, self._conninfo)
            except psycopg.Error as error:
                _log.warning("snapshots are not dropped for now: %s", reason_of(error))
            await asyncio.sleep(TIDY_EVERY_S)


class _StoppedError(Exception):
    pass


def preparing() -> ApiError:
    """Return the 503 that says that read models of the past are being built."""
    message = "the read models are being prepared as they were known then: ask again"
    return not_now("preparing", message, retry_s=5)
