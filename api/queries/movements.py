"""What has moved: the kinds of the things that the events between two positions are about."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

from domain.aggregates.erasure import ERASURE
from postgres.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from api.queries.database import Database

LOOKED_AT_MAX: Final = 2_000
"""Of so many events at the most it is looked up what they are about."""
_KINDS: Final = """
    SELECT DISTINCT split_part(coalesce(h.stream_id, e.originator_id), '/', 1)
    FROM raphus.ledger_events AS e LEFT JOIN raphus.homes AS h ON h.position = e.notification_id
    WHERE e.notification_id > %(after)s AND e.notification_id <= %(until)s
"""

Kinds = frozenset[str]


class _Asked(NamedTuple):
    after: int
    until: int
    told: asyncio.Task[Kinds | None]


class Movements:
    """Tells many who ask the same at about the same time, and asks the database once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._last: _Asked | None = None

    async def kinds(self, after: int, until: int) -> Kinds | None:
        """Return the kinds of what has moved behind one position, up to another; None: any may.

        Raises:
            ApiError: 503; the database is away.
        """
        if not 0 < until - after <= LOOKED_AT_MAX:
            return None
        last = self._last
        if last is None or last[:2] != (after, until):
            last = self._last = _Asked(after, until, _begun(self._look_up(after, until)))
        return await asyncio.shield(last.told)

    async def _look_up(self, after: int, until: int) -> Kinds | None:
        rows = await self._database.rows(Statement(_KINDS, {"after": after, "until": until}))
        kinds = Kinds(str(kind) for (kind,) in rows)
        # An erasure rewrites whatever tells of a person.
        return None if ERASURE in kinds else kinds


def _begun(work: Coroutine[Any, Any, Kinds | None]) -> asyncio.Task[Kinds | None]:
    task = asyncio.create_task(work, name="kinds that moved")
    # Whoever waits for it is told what went wrong; if all have gone, nobody needs to know.
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task
