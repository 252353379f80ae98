"""The jobs of a route that are in memory, in a lane for each aggregate, and where they go."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from uuid import UUID

    from workflows.dispatch.circuit_breaker import CircuitBreaker
    from workflows.limits import Limits
    from workflows.outbox.table import Job
    from workflows.routes.route import Route
    from workflows.targets.target import Way


class Destination(NamedTuple):
    """Where a route's jobs go, as its declaration says at a time."""

    route: Route
    way: Way
    breaker: CircuitBreaker


class RouteQueue:
    """The jobs of one route that are in memory; the outbox has the others.

    A lane is always the first of what the outbox has of its aggregate. `to` is None while
    nothing of the route is to be sent. `more` tells that the outbox may have further jobs.
    Who prepares a job takes one of the `turns`.
    """

    def __init__(self, name: str, limits: Limits) -> None:
        self.name = name
        self.to: Destination | None = None
        self.more = True
        self.turns = asyncio.Semaphore(limits.prepared_max)
        self._limits = limits
        self._held: set[UUID] = set()
        self._recorded: set[UUID] = set()
        self._lanes: dict[str, deque[Job]] = {}

    @property
    def is_empty(self) -> bool:
        """Whether nothing is in memory."""
        return not self._held and not self._lanes

    @property
    def wants_more(self) -> bool:
        """Whether there may be more to send, and there is room for it."""
        has_room = len(self._held) <= self._limits.held_max // 2
        return self.more and has_room and self.to is not None

    @property
    def full_lanes(self) -> list[str]:
        """The aggregates of which there is no room for more."""
        return [stream_id for stream_id, lane in self._lanes.items() if self._is_full(lane)]

    def direct(self, to: Destination | None) -> None:
        """Send elsewhere from now on, or nowhere; what is on its way arrives where it was sent."""
        if self.to is not None:
            self.to.breaker.retire()
        self.to = to

    def begin_to_read(self) -> None:
        """Tell that the outbox is about to be read.

        What is recorded from here on may be read as waiting, and what is added may be missed.
        """
        self.more = False
        self._recorded.clear()

    def take(self, jobs: Iterable[Job]) -> list[str]:
        """Put jobs, read in order, into lanes as far as there is room; return those that begin."""
        begun: list[str] = []
        for job in jobs:
            if job.job_id in self._held or job.job_id in self._recorded:
                continue
            lane = self._lanes.get(job.stream_id, ())
            if len(self._held) >= self._limits.held_max or self._is_full(lane):
                self.more = True
                continue
            if job.stream_id not in self._lanes:
                self._lanes[job.stream_id] = deque()
                begun.append(job.stream_id)
            self._lanes[job.stream_id].append(job)
            self._held.add(job.job_id)
        return begun

    def first(self, stream_id: str) -> Job | None:
        """Return the job that is next in a lane."""
        lane = self._lanes[stream_id]
        return lane[0] if lane else None

    def drop(self, stream_id: str) -> None:
        """Drop the first job of a lane; it is held until that is recorded."""
        self._lanes[stream_id].popleft()

    def end(self, stream_id: str) -> None:
        """End a lane, and let go of what is left in it: the outbox has it waiting."""
        self._held.difference_update(job.job_id for job in self._lanes.pop(stream_id))

    def recorded(self, job_id: UUID) -> None:
        """Let go of a job: what has come of it is recorded."""
        self._held.discard(job_id)
        self._recorded.add(job_id)

    def _is_full(self, lane: Collection[Job]) -> bool:
        return len(lane) >= self._limits.lane_max
