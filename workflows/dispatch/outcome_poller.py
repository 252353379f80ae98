"""Asks targets for the outcomes of what they have begun with, and records them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from workflows.limits import ASKING_MAX, LIMITS, Limits
from workflows.outbox.table import storable
from workflows.targets.target import NoAnswerError, OutcomeError, OversizeError, TargetError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from psycopg import AsyncConnection

    from workflows.routes.route import Routes
    from workflows.targets.catalogue import Senders
    from workflows.targets.target import Way

PAGE: Final = 100
POLL_S: Final = 1.0
AGAIN_MAX_S: Final = 300.0

_DUE: Final = """
    SELECT job_id, route FROM raphus.windmill_outbox
    WHERE state = 'started' AND ask_at <= clock_timestamp() ORDER BY ask_at LIMIT %s
"""
# Who has ended and who has not is a CASE so that the planner, who may not know yet how many jobs
# run, cannot think of reading all of them by their own index.
_ENDED: Final = """
    UPDATE raphus.windmill_outbox AS o
    SET state = new.state, problem = new.problem, ended_at = clock_timestamp(), ask_at = NULL
    FROM unnest(%s::uuid[], %s::text[], %s::text[]) AS new (job_id, state, problem)
    WHERE o.job_id = new.job_id AND CASE o.state WHEN 'started' THEN true ELSE false END
"""
# Asked again after as long as it has been running: quick jobs soon, and none without an end.
_LATER: Final = """
    UPDATE raphus.windmill_outbox SET
        state = CASE WHEN started_at < clock_timestamp() - make_interval(secs => %(give_up_s)s)
            THEN 'unknown' ELSE state END,
        ask_at = clock_timestamp() + least(
            greatest(clock_timestamp() - started_at, interval '1 second'),
            make_interval(secs => %(most_s)s)
        )
    WHERE job_id = ANY (%(job_ids)s) AND CASE state WHEN 'started' THEN true ELSE false END
"""


class _Started(NamedTuple):
    job_id: UUID
    route: str


class _Ended(NamedTuple):
    job_id: UUID
    state: str
    problem: str | None


class OutcomePoller:
    """Asks for the outcomes of started jobs, a few at a time, from young to old."""

    def __init__(
        self,
        senders: Senders,
        routes: Callable[[], Routes],
        limits: Limits = LIMITS,
    ) -> None:
        self._senders = senders
        self._routes = routes
        self._give_up_s = limits.ask_for_s
        self._slots = asyncio.Semaphore(ASKING_MAX)

    async def run(self, conn: AsyncConnection[Any]) -> None:
        """Ask, until it is cancelled.

        Raises:
            psycopg.Error: the database went away.
        """
        while True:
            cursor = await conn.execute(_DUE, [PAGE], prepare=True)
            started = [_Started._make(row) for row in await cursor.fetchall()]
            if started:
                await self._record(conn, started, await self._ask(started))
            if len(started) < PAGE:
                await asyncio.sleep(POLL_S)

    async def _ask(self, started: Sequence[_Started]) -> list[_Ended]:
        """Ask for the outcome of jobs; of nothing more of a route to which there is no answer."""
        ways = self._ways()
        outcomes = await asyncio.gather(*(self._outcome(ways, job) for job in started))
        return [outcome for outcome in outcomes if outcome is not None]

    def _ways(self) -> dict[str, Way]:
        ways = {}
        for route in self._routes():
            try:
                ways[route.name] = self._senders.way(route.name, route.target)
            except TargetError:
                continue  # it was known when the job was started, and may be again
        return ways

    async def _outcome(self, ways: dict[str, Way], job: _Started) -> _Ended | None:
        async with self._slots:
            way = ways.get(job.route)
            if way is None:
                return None
            try:
                outcome = await way.outcome(job.job_id)
            except NoAnswerError:
                ways.pop(job.route, None)
                return None
            except OversizeError as error:
                return _Ended(job.job_id, "unknown", str(error))
            except OutcomeError:
                return None  # asked again later, for as long as it is worth while
        if outcome is None:
            return None
        problem = outcome.problem and storable(outcome.problem)
        return _Ended(job.job_id, "succeeded" if outcome.succeeded else "failed", problem)

    async def _record(
        self, conn: AsyncConnection[Any], started: Sequence[_Started], ended: Sequence[_Ended]
    ) -> None:
        if ended:
            columns = map(list, zip(*ended, strict=True))
            await conn.execute(_ENDED, list(columns), prepare=True)
        told = {job.job_id for job in ended}
        later = [job.job_id for job in started if job.job_id not in told]
        if later:
            parameters = {"give_up_s": self._give_up_s, "most_s": AGAIN_MAX_S, "job_ids": later}
            await conn.execute(_LATER, parameters, prepare=True)
