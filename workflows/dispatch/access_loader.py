"""Tells what access customers have as jobs are sent, for those that asked meanwhile at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from domain.access.of_thing import access_of
from postgres.connections import DATABASE_ERRORS
from projections.read_models.held_by import Customer, held_by_async
from telemetry.redaction import origin_of
from workflows.announcing.begun import moment_async

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import AsyncConnection

    from domain.access.of_thing import ThingAccess
    from domain.entity import Entity
    from workflows.policy_file import PolicyFile

TOGETHER_MAX: Final = 100
"""Of so many jobs the customers are looked at at once."""
WAIT_S: Final = 5.0
"""So long is waited for the read models, or the policy; then the job waits in its lane."""
_LOOK_EVERY_S: Final = 0.02
_NOT_SHOWN: Final = "nothing sent: the read models do not show the event yet"
_NO_POLICY: Final = "nothing sent: the policy of access is not known"
_DEFECT: Final = "nothing sent: access cannot be judged"


class NotKnownError(Exception):
    """It is not known yet what access there is; the message tells people why."""


class _Asked(NamedTuple):
    thing: Entity
    customer: Customer
    known_position: int
    until_s: float
    told: asyncio.Future[ThingAccess | None]


class AccessLoader:
    """Judges what customers have by the read models and the policy, as of now.

    It waits until the read models show what a job knows: whoever is told of a renewal is not told
    of the access before it.
    """

    def __init__(self, policy: PolicyFile) -> None:
        self._policy = policy
        self._queue: asyncio.Queue[_Asked] = asyncio.Queue()

    async def load(self, thing: Entity | None, known_position: int) -> ThingAccess | None:
        """Return the access of a thing's customer, while `run` runs; None where there is none.

        Raises:
            NotKnownError: it is not known in time.
        """
        if thing is None or thing.customer_id is None:
            return None
        loop = asyncio.get_running_loop()
        told: asyncio.Future[ThingAccess | None] = loop.create_future()
        customer = Customer(thing.business_id, thing.customer_id)
        self._queue.put_nowait(_Asked(thing, customer, known_position, loop.time() + WAIT_S, told))
        return await told

    async def run(self, conn: AsyncConnection[Any]) -> None:
        """Tell what is asked for, until it is cancelled.

        Raises:
            psycopg.Error: the database went away.
        """
        while True:
            asked = [await self._queue.get()]
            while not self._queue.empty() and len(asked) < TOGETHER_MAX:
                asked.append(self._queue.get_nowait())
            # Who asked may have gone.
            early = await self._tell(conn, [one for one in asked if not one.told.done()])
            for one in early:
                self._queue.put_nowait(one)
            if early and len(early) == len(asked):
                await asyncio.sleep(_LOOK_EVERY_S)

    async def _tell(self, conn: AsyncConnection[Any], asked: Sequence[_Asked]) -> list[_Asked]:
        """Answer what can be answered, and return what is to be looked at again."""
        policy = self._policy.settled()
        now, shown, _ = await moment_async(conn)
        if policy is None:
            return _patient(asked, _NO_POLICY)
        ready = [one for one in asked if one.known_position <= shown]
        try:
            # Each once: of a customer there may be many jobs.
            held = await held_by_async(conn, list({one.customer: None for one in ready}))
            for one in ready:
                if not one.told.done():
                    one.told.set_result(access_of(one.thing, held[one.customer], now, policy))
        except DATABASE_ERRORS:
            raise
        except Exception as error:  # noqa: BLE001 -- told with the jobs, which wait
            _refuse(ready, f"{_DEFECT}: {origin_of(error)}")
        return _patient([one for one in asked if one.known_position > shown], _NOT_SHOWN)


def _patient(asked: Sequence[_Asked], problem: str) -> list[_Asked]:
    """Return those that can wait a little longer; the others are told that it is not known."""
    now_s = asyncio.get_running_loop().time()
    _refuse([one for one in asked if one.until_s <= now_s], problem)
    return [one for one in asked if not one.told.done()]


def _refuse(asked: Sequence[_Asked], problem: str) -> None:
    for one in asked:
        if not one.told.done():
            one.told.set_exception(NotKnownError(problem))
