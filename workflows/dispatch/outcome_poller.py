"""Asks Windmill for the outcomes of the jobs that it has started, and records them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from workflows.dispatch.address import Address, AddressError
from workflows.dispatch.limits import LIMITS, Limits
from workflows.dispatch.windmill_client import NoAnswerError, OversizeError, WindmillError
from workflows.outbox.table import storable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from psycopg import AsyncConnection

    from workflows.dispatch.address import Windmill
    from workflows.dispatch.windmill_client import WindmillClient
    from workflows.routes.route import Routes

PAGE: Final = 100
CONCURRENCY: Final = 4
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
        client: WindmillClient,
        routes: Callable[[], Routes],
        windmill: Windmill,
        limits: Limits = LIMITS,
    ) -> None:
        self._client = client
        self._routes = routes
        self._windmill = windmill
        self._give_up_s = limits.ask_for_s
        self._slots = asyncio.Semaphore(CONCURRENCY)

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
        addresses = self._addresses()
        outcomes = await asyncio.gather(*(self._outcome(addresses, job) for job in started))
        return [outcome for outcome in outcomes if outcome is not None]

    def _addresses(self) -> dict[str, Address]:
        addresses = {}
        for route in self._routes():
            try:
                addresses[route.name] = Address.of(route, self._windmill)
            except AddressError:
                continue  # it was known when the job was started, and may be again
        return addresses

    async def _outcome(self, addresses: dict[str, Address], job: _Started) -> _Ended | None:
        async with self._slots:
            address = addresses.get(job.route)
            if address is None:
                return None
            try:
                outcome = await self._client.outcome(address, job.job_id)
            except NoAnswerError:
                addresses.pop(job.route, None)
                return None
            except OversizeError as error:
                return _Ended(job.job_id, "unknown", str(error))
            except WindmillError:
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
