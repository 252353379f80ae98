"""Tells what access customers have as jobs are sent, for those that asked meanwhile at once."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from domain.access.of_thing import access_of
from projections.read_models.held_by import Customer, held_by_async
from telemetry.logs import Throttle
from telemetry.redaction import origin_of
from workflows.announcing.begun import moment_async
from workflows.limits import LIMITS, Limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import AsyncConnection

    from domain.access.of_thing import ThingAccess
    from domain.entity import Entity
    from workflows.outbox.table import Job
    from workflows.policy_file import PolicyFile

_log = logging.getLogger(__name__)

TOGETHER_MAX: Final = 100
"""Of so many jobs the customers are looked at at once."""
_PAUSE_MIN_S: Final = 0.02
_PAUSE_MAX_S: Final = 0.3
"""So long the read models are left alone, at first and while they do not move."""
_UNTOLD: Final = "jobs are sent that do not tell the access"
_NOT_SHOWN: Final = "the read models do not show their events"
_NO_POLICY: Final = "the policy of access is not known"
_NO_ANSWER: Final = "the database does not tell it in time"


class _Asked(NamedTuple):
    thing: Entity
    customer: Customer
    known_position: int
    patient_until_s: float
    told: asyncio.Future[ThingAccess | None]


class AccessLoader:
    """Judges what customers have by the read models and the policy, as of now.

    It waits until the read models show what a job knows: whoever is told of a renewal is not told
    of the access before it. But it holds no job up: what is not shown so long after the job fell
    due, or after this began, is told as None, however many jobs there are; so is what cannot be
    told for any other reason.
    """

    def __init__(self, policy: PolicyFile, limits: Limits = LIMITS) -> None:
        self._policy = policy
        self._wait_s = limits.shown_within_s
        self._queue: asyncio.Queue[_Asked] = asyncio.Queue()
        self._throttle = Throttle(_log)
        # After a start the read models catch up, too, with what has been due for long.
        self._began_s = asyncio.get_running_loop().time()

    async def load(self, thing: Entity | None, job: Job) -> ThingAccess | None:
        """Return the access of a thing's customer, while `run` runs; None where it is not known."""
        if thing is None or thing.customer_id is None:
            return None
        loop = asyncio.get_running_loop()
        told: asyncio.Future[ThingAccess | None] = loop.create_future()
        customer = Customer(thing.business_id, thing.customer_id)
        patient_until_s = max(job.since_s, self._began_s) + self._wait_s
        asked = _Asked(thing, customer, job.known_position, patient_until_s, told)
        self._queue.put_nowait(asked)
        try:
            # A database may keep us waiting by itself.
            async with asyncio.timeout_at(max(loop.time(), patient_until_s) + self._wait_s):
                return await told
        except TimeoutError:
            self._warn(_NO_ANSWER)
            return None

    async def run(self, conn: AsyncConnection[Any]) -> None:
        """Tell what is asked for, until it is cancelled.

        Raises:
            psycopg.Error: the database went away.
        """
        pause_s = _PAUSE_MIN_S
        while True:
            asked = [await self._queue.get()]
            while not self._queue.empty() and len(asked) < TOGETHER_MAX:
                asked.append(self._queue.get_nowait())
            # Who asked may have gone.
            early = await self._tell(conn, [one for one in asked if not one.told.done()])
            for one in early:
                self._queue.put_nowait(one)
            if len(early) < len(asked):
                pause_s = _PAUSE_MIN_S
            else:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _PAUSE_MAX_S)

    async def _tell(self, conn: AsyncConnection[Any], asked: Sequence[_Asked]) -> list[_Asked]:
        """Answer what can be answered, and return what is to be looked at again."""
        try:
            policy = self._policy.settled()
            # First how far they are, then what they have: what is shown stays shown.
            now, shown, _ = await moment_async(conn)
            if policy is None:
                return self._patient(asked, _NO_POLICY)
            ready = [one for one in asked if one.known_position <= shown]
            # Each once: of a customer there may be many jobs.
            held = await held_by_async(conn, list({one.customer: None for one in ready}))
            for one in ready:
                _settle(one, access_of(one.thing, held[one.customer], now, policy))
            return self._patient([one for one in asked if one.known_position > shown], _NOT_SHOWN)
        except Exception as error:
            if conn.closed:
                raise
            self._give_up(asked, origin_of(error))
            return []

    def _patient(self, asked: Sequence[_Asked], problem: str) -> list[_Asked]:
        """Return those that can wait a little longer; of the others it is not told."""
        now_s = asyncio.get_running_loop().time()
        self._give_up([one for one in asked if one.patient_until_s <= now_s], problem)
        return [one for one in asked if not one.told.done()]

    def _give_up(self, asked: Sequence[_Asked], problem: str) -> None:
        for one in asked:
            self._warn(problem)
            _settle(one, None)

    def _warn(self, problem: str) -> None:
        self._throttle.warning(f"{_UNTOLD}: {problem}")


def _settle(asked: _Asked, access: ThingAccess | None) -> None:
    if not asked.told.done():  # who asked may have gone
        asked.told.set_result(access)
