"""Sends the jobs that wait, in order within an aggregate, for many aggregates at once.

A job's id follows from the event and the route, and Windmill takes an id once; an endpoint is
told the webhook-id, by which it knows what it has. So whatever is sent again, by us after a crash
or by two of us at once, does nothing twice; and as the next job of a lane is sent only when the
target has the one before, nothing overtakes either.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from telemetry.incident import Incident
from telemetry.logs import Throttle
from workflows.dispatch.circuit_breaker import CircuitBreaker
from workflows.dispatch.route_queue import Destination, RouteQueue
from workflows.limits import LIMITS, Limits
from workflows.outbox.table import waiting
from workflows.targets.target import TargetError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from psycopg import AsyncConnection

    from workflows.dispatch.job_delivery import JobDelivery
    from workflows.dispatch.progress_recorder import ProgressRecorder
    from workflows.outbox.table import JobProgress
    from workflows.routes.route import Route, Routes
    from workflows.targets.catalogue import Senders

_log = logging.getLogger(__name__)

# What a target or a transformation said could quote the event.
_WHY: Final = "raphus routes outbox --state parked tells why"


class Dispatcher:
    """The routes' queues, filled from the outbox and sent lane by lane.

    `tasks` are what its lanes run in: they end together, with whoever owns them.
    """

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        delivery: JobDelivery,
        recorder: ProgressRecorder,
        senders: Senders,
        limits: Limits = LIMITS,
    ) -> None:
        self._tasks = tasks
        self._delivery = delivery
        self._recorder = recorder
        self._senders = senders
        self._limits = limits
        self._queues: dict[str, RouteQueue] = {}
        self._nowhere: dict[str, Incident] = {}
        self._wake = asyncio.Event()
        self._throttle = Throttle(_log)

    def look_again(self, routes: Routes) -> None:
        """Tell that there may be more jobs, and what the routes are now."""
        named = {route.name: route for route in routes if route.enabled}
        for name in named.keys() | self._queues.keys():
            queue = self._queues.setdefault(name, RouteQueue(name, self._limits))
            self._direct(queue, named.get(name))
            queue.more = True
            if queue.to is None and queue.is_empty:
                del self._queues[name]
        for name in self._nowhere.keys() - named.keys():
            del self._nowhere[name]
        self._wake.set()

    async def run(self, conn: AsyncConnection[Any]) -> None:
        """Load jobs whenever there may be more and there is room, and send them.

        Raises:
            psycopg.Error: the database went away.
        """
        while True:
            await self._wake.wait()
            self._wake.clear()
            for queue in tuple(self._queues.values()):
                await self._fill(queue, conn)

    def recorded(self, reports: Iterable[JobProgress]) -> None:
        """Let go of jobs of which the end has been recorded."""
        for progress in reports:
            if progress.state != "waiting":
                self._queues[progress.route].recorded(progress.job_id)
        if any(queue.wants_more for queue in self._queues.values()):
            self._wake.set()

    def _direct(self, queue: RouteQueue, route: Route | None) -> None:
        now = queue.to.route if queue.to else None
        if route == now:
            return
        incident = self._nowhere.setdefault(queue.name, Incident(_log, "nothing is sent"))
        to = None
        try:
            if route is not None:
                way = self._senders.way(route.name, route.target)
                breaker = CircuitBreaker(route.name, way.called, self._limits)
                to = Destination(route, way, breaker)
                incident.end()
        except TargetError as error:
            incident.begin(str(error))  # and its jobs wait
        if to is not None or queue.to is not None:
            queue.direct(to)

    async def _fill(self, queue: RouteQueue, conn: AsyncConnection[Any]) -> None:
        while queue.wants_more:
            full = queue.full_lanes
            queue.begin_to_read()
            jobs = await waiting(conn, queue.name, self._limits.held_max, not_of=full)
            begun = queue.take(jobs)
            queue.more |= bool(full) or len(jobs) == self._limits.held_max
            for stream_id in begun:
                self._tasks.create_task(self._run(queue, stream_id))
            if not begun:
                return

    async def _run(self, queue: RouteQueue, stream_id: str) -> None:
        """Send the jobs of a lane one after the other; let go of them when the route goes."""
        while (job := queue.first(stream_id)) is not None:
            progress = await self._delivery.deliver(queue, job)
            if progress is None:
                break
            if progress.state == "parked":
                self._throttle.warning(f"route {queue.name}: a job is parked; {_WHY}")
            await self._recorder.add(progress)
            queue.drop(stream_id)
        queue.end(stream_id)
