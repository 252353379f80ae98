"""The key ring: the keys that are not revoked, as they were a moment ago."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final

from api.http.errors import ApiError
from api.keys.secret import hash_of
from api.keys.table import USED_EVERY_S, living, note_use, read_living
from telemetry.logs import Throttle

if TYPE_CHECKING:
    from api.http.scopes import Caller
    from api.keys.table import LivingKey
    from api.queries.database import Database

_log = Throttle(logging.getLogger(__name__))

FRESH_S: Final = 2.0
"""How long a key is let in that has been revoked meanwhile."""
PAUSE_S: Final = 0.2
"""How long there is at the least from one reading of the table to the next."""


class KeyRing:
    """Tells whose key a request shows, by all keys of the table as they were read at once.

    A key that is not among them is looked for in what the table has after it was shown, so a new
    one is let in at once. However many wrong ones are shown, the table is read five times a second
    at the most. Keys are found by their hash: how long that takes tells nothing of any of them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys: dict[bytes, LivingKey] = {}
        self._read_at = float("-inf")
        """When the reading of `_keys` began, by the monotonic clock."""
        self._tried_at = self._read_at
        self._reading: asyncio.Task[None] | None = None
        self._noted_at: dict[int, float] = {}
        self._used: set[int] = set()
        self._noting: asyncio.Task[None] | None = None

    async def find(self, key: bytes) -> Caller | None:
        """Return whose key it is; None for what is no key, or revoked for `FRESH_S`.

        Raises:
            ApiError: 503; the database is away.
        """
        return await self.find_hash(hash_of(key))

    async def find_hash(self, hash_: bytes) -> Caller | None:
        """Return whose key has a hash; None for what is no key's, or one revoked for `FRESH_S`.

        Raises:
            ApiError: 503; the database is away.
        """
        now = time.monotonic()
        found = self._keys.get(hash_)
        if found is None or self._read_at < now - FRESH_S:
            await self._read_since(now if found is None else now - FRESH_S)
            found = self._keys.get(hash_)
        if found is None:
            return None
        self._note(found.id)
        return found.caller

    async def stop(self) -> None:
        """Stop, when what has been used is noted."""
        if self._reading is not None:
            self._reading.cancel()
        if self._noting is not None:
            await self._noting

    async def _read_since(self, moment: float) -> None:
        """Return once the keys are as they were at a moment, or later."""
        while self._read_at < moment:
            if self._reading is None:
                self._reading = asyncio.create_task(self._read(), name="read keys")
                self._reading.add_done_callback(self._end_reading)
            # Not ended with whoever happens to have begun it.
            await asyncio.shield(self._reading)

    async def _read(self) -> None:
        await asyncio.sleep(self._tried_at + PAUSE_S - time.monotonic())
        self._tried_at = began = time.monotonic()
        rows = await self._database.rows(living())
        self._keys = {key.hash: key for key in read_living(rows)}
        self._read_at = began
        ids = {key.id for key in self._keys.values()}
        self._noted_at = {id_: at for id_, at in self._noted_at.items() if id_ in ids}

    def _end_reading(self, reading: asyncio.Task[None]) -> None:
        self._reading = None
        if not reading.cancelled():
            reading.exception()  # told to those who wait for it, of whom there may be none left

    def _note(self, id_: int) -> None:
        """Have it noted that a key is used, once in a while and after the answer."""
        now = time.monotonic()
        if now < self._noted_at.get(id_, float("-inf")) + USED_EVERY_S:
            return
        self._noted_at[id_] = now
        self._used.add(id_)
        if self._noting is None:
            self._noting = asyncio.create_task(self._note_all(), name="note use of keys")

    async def _note_all(self) -> None:
        try:
            while self._used:
                used, self._used = self._used, set()
                await self._database.change(note_use(used))
        except ApiError:
            _log.warning("that keys are used is not noted for now: the database is away, or busy")
        finally:
            self._noting = None
