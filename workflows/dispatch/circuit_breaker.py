"""While a target is away, one request at a time asks whether it is back."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING

from telemetry.backoff import spread_backoff_s
from telemetry.incident import Incident
from workflows.limits import LIMITS, Limits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

_log = logging.getLogger(__name__)


class RetiredError(Exception):
    """What is behind the breaker is not to be asked any more."""


class CircuitBreaker:
    """Closed, everybody passes. Open, everybody waits but for one probe, now and then.

    It is a route's: what Windmill says of one token need not hold of another. `called` is what
    the target is called.
    """

    def __init__(self, route: str, called: str, limits: Limits = LIMITS) -> None:
        self._limits = limits
        self._route, self._called = route, called
        self._incident = Incident(_log, f"route {route}")
        self._failures = 0
        self._pauses = 0
        self._pause_ends_s = 0.0
        self._gone_until_s = 0.0
        self._said = ""
        self._refused: set[UUID] = set()
        self._probe = asyncio.Lock()
        self._retired = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """Whether the target counts as away."""
        return self._failures >= self._limits.opens_after

    @property
    def is_gone(self) -> bool:
        """Whether the target has just said that it wants nothing any more."""
        return _now_s() < self._gone_until_s

    @asynccontextmanager
    async def admission(self, slots: asyncio.Semaphore) -> AsyncIterator[None]:
        """Wait until a request may be sent, and there is a slot for it.

        The caller reports the outcome within the block.

        Raises:
            RetiredError: nothing is to be sent here any more.
        """
        while True:
            async with AsyncExitStack() as held:
                if is_probe := self.is_open:
                    await held.enter_async_context(self._probe)
                await self.rest(self._pause_ends_s - _now_s())
                await held.enter_async_context(slots)
                if self._retired.is_set():
                    raise RetiredError
                # Meanwhile it may have opened; or closed, so that no probe is needed.
                if is_probe == self.is_open and _now_s() >= self._pause_ends_s:
                    yield
                    return

    async def rest(self, limit_s: float) -> None:
        """Wait for some time, or until this is retired."""
        if limit_s > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(limit_s):
                    await self._retired.wait()

    def retire(self) -> None:
        """End every wait here; nothing is sent any more."""
        self._retired.set()

    def succeeded(self) -> None:
        """Record that the target has answered as it should."""
        self._failures = self._pauses = 0
        self._pause_ends_s = 0.0
        self._incident.end()

    def started(self) -> None:
        """Record that the target has accepted a job: it does not refuse all of them."""
        self._refused.clear()
        self.succeeded()

    def refuses_all(self, job_id: UUID, said: str) -> bool:
        """Record that the target refuses a job, and in which words.

        Return whether it is not about this job: it has refused others in the same words, and
        taken none since.
        """
        said = said.replace(str(job_id), "")
        if said != self._said:
            self._said = said
            self._refused.clear()
        if len(self._refused) < self._limits.alike_max:
            self._refused.add(job_id)
        return len(self._refused) >= self._limits.alike_max

    def gone(self, told: str) -> None:
        """Record that the target wants nothing any more, and in which words."""
        self.succeeded()
        self._gone_until_s = _now_s() + self._limits.gone_for_s
        who = self._route, self._called
        _log.warning("route %s: %s is gone: %s; what is for it is parked", *who, told)

    def failed(self, why: str, retry_after_s: float | None = None) -> None:
        """Record that the target is away, why, and after how many seconds it said to try again."""
        self._failures += 1
        pause_s = retry_after_s or 0.0
        # A failure during a pause is of a request sent before it: it says nothing new.
        if self.is_open and _now_s() >= self._pause_ends_s:
            self._pauses += 1
            least_s, most_s = self._limits.pause_min_s, self._limits.probe_max_s
            pause_s = max(pause_s, spread_backoff_s(self._pauses, least_s, most_s))
            told = f"{self._called} is away ({why}), and is asked again now and then"
            self._incident.begin(told)
        self._pause_ends_s = max(self._pause_ends_s, _now_s() + pause_s)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
