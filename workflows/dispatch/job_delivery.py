"""One job, from its event in the log until its target has accepted it."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from telemetry.backoff import spread_backoff_s
from telemetry.redaction import origin_of
from workflows.dispatch.circuit_breaker import RetiredError
from workflows.dispatch.trigger_loader import UnjudgedError
from workflows.job_arguments import (
    Cancelled,
    SandboxUnavailable,
    TransformationError,
    tells_access,
)
from workflows.limits import LIMITS, Limits
from workflows.outbox.table import HELD_BACK, JobProgress
from workflows.targets.attempt import NOTHING_SENT, Attempt, Meaning
from workflows.targets.target import NoAnswerError, Parcel

if TYPE_CHECKING:
    from workflows.dispatch.access_loader import AccessLoader
    from workflows.dispatch.progress_recorder import ProgressRecorder
    from workflows.dispatch.route_queue import Destination, RouteQueue
    from workflows.dispatch.trigger_loader import TriggerLoader
    from workflows.job_arguments import Transformer
    from workflows.outbox.table import Doubt, Job
    from workflows.targets.target import Way
    from workflows.trigger import Trigger

_log = logging.getLogger(__name__)

_ACCEPTED: Final = {Meaning.STARTED: "started", Meaning.DELIVERED: "succeeded"}
"""The state of a job that its target has."""
_GONE: Final = "nothing sent: the endpoint has just answered 410 Gone to another; see raphus routes"


class JobDelivery:
    """Sends jobs, a limited number at once to a target; the failure of one leaves others be."""

    def __init__(
        self,
        transformer: Transformer,
        loader: TriggerLoader,
        access: AccessLoader,
        recorder: ProgressRecorder,
        limits: Limits = LIMITS,
    ) -> None:
        self._transformer = transformer
        self._loader = loader
        self._access = access
        self._recorder = recorder
        self._limits = limits

    async def deliver(self, queue: RouteQueue, job: Job) -> JobProgress | None:
        """Try until a job is accepted, or cannot be; None when its route sends nothing any more.

        Each try goes by what the route declares then. What came of all but the last is recorded.
        """
        progress = JobProgress(job.job_id, job.route, "waiting", job.attempts)
        try:
            return await self._deliver(queue, job, progress)
        except Cancelled:
            return progress._replace(state="cancelled")
        except (TransformationError, UnjudgedError) as error:
            return progress._replace(state="parked", problem=str(error))
        except Exception as error:  # noqa: BLE001 -- logged; the other jobs go on
            _log.error("route %s: a job is parked: %s", job.route, origin_of(error))
            return progress._replace(state="parked", problem=f"a defect: {origin_of(error)}")

    async def _deliver(
        self, queue: RouteQueue, job: Job, progress: JobProgress
    ) -> JobProgress | None:
        patience = _Patience(self._limits)
        while queue.to is not None:
            if time.monotonic() - job.since_s > self._limits.give_up_after_s:
                return progress._replace(state="parked", attempt=None, problem=_too_old(progress))
            tried = await self._try(queue, job._replace(attempts=progress.attempts))
            if tried is None:
                continue
            progress = tried.added_to(progress)
            if tried.meaning in _ACCEPTED:
                return progress._replace(state=_ACCEPTED[tried.meaning])
            pause_s = patience.pause_after(tried.meaning, tried.to.way)
            if pause_s is None:
                return progress._replace(state="parked")
            await self._recorder.add(progress)
            await tried.to.breaker.rest(max(pause_s, tried.wait_s))
        return None

    async def _try(self, queue: RouteQueue, job: Job) -> _Tried | None:
        """Try once; None where the route goes elsewhere, or nowhere, before that."""
        async with queue.turns:
            to = queue.to
            if to is None:
                return None
            try:
                trigger, doubt = await self._loader.load(job)
                parcel = await self._parcel(to, job, trigger)
                made_s = time.monotonic()
                async with to.breaker.admission(to.way.slots):
                    if to.breaker.is_gone:
                        return _Tried(to, Meaning.GONE, _GONE, None)
                    attempt = await self._held_back(to, doubt)
                    if attempt is None:
                        if tells_access(to.route) and self._is_old(made_s):
                            parcel = await self._parcel(to, job, trigger)
                        attempt = _tell(to, job, await to.way.send(parcel))
            except SandboxUnavailable as error:
                return _Tried(to, Meaning.FAILED, str(error), None)
            except RetiredError:
                return None
            return _Tried(to, attempt.meaning, attempt.problem, attempt)

    async def _parcel(self, to: Destination, job: Job, trigger: Trigger) -> Parcel:
        """Make what is sent, as it is now: who is told late is told the access of then."""
        if tells_access(to.route):
            access = await self._access.load(trigger.entity, job)
            trigger = trigger._replace(access=access)
        arguments = await self._transformer.arguments(to.route, trigger)
        return Parcel(job.job_id, job.webhook_id, arguments, job.replay)

    def _is_old(self, made_s: float) -> bool:
        return time.monotonic() - made_s > self._limits.access_for_s

    async def _held_back(self, to: Destination, doubt: Doubt | None) -> Attempt | None:
        """Return why a job is not sent now; None if it is to be.

        Who takes an id once may take it again some day: Windmill, once it has deleted the job
        (`retention_period_secs`, which superadmins alone may read). So what may have been started
        long ago is sent again only while the target knows a job that had ended before that.
        """
        now = datetime.now(UTC)
        age_s = (now - doubt.since).total_seconds() if doubt else 0.0
        if not to.way.takes_once or doubt is None or age_s <= self._limits.sure_for_s:
            return None
        try:
            if doubt.witness is None:
                is_safe = age_s <= self._limits.give_up_after_s
            else:
                is_safe = await to.way.knows(doubt.witness)
        except NoAnswerError as error:
            to.breaker.failed(str(error))
            why = f"{NOTHING_SENT}: {error}"
            return Attempt.unanswered(now, 0, why, Meaning.AWAY)
        if is_safe:
            return None
        at = f"{doubt.since:%Y-%m-%d %H:%M} UTC"
        may_have = f"{to.way.called} may have started it at {at}"
        why = f"{HELD_BACK}: {may_have}, and have forgotten it since"
        return Attempt.unanswered(now, 0, why, Meaning.REFUSED)


class _Tried(NamedTuple):
    to: Destination
    meaning: Meaning
    problem: str
    attempt: Attempt | None

    @property
    def wait_s(self) -> float:
        """How long the target said to wait at the least."""
        return (self.attempt and self.attempt.retry_after_s) or 0.0

    def added_to(self, progress: JobProgress) -> JobProgress:
        attempts = progress.attempts + (self.attempt is not None)
        problem = self.problem or None
        return progress._replace(attempts=attempts, attempt=self.attempt, problem=problem)


class _Patience:
    """How often a job has been tried in vain, and how long the pause is after that."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._failed = 0
        self._away = 0

    def pause_after(self, meaning: Meaning, way: Way) -> float | None:
        """Return a pause; None where there is to be no other try."""
        least_s, most_s = self._limits.pause_min_s, self._limits.pause_max_s
        if meaning is Meaning.AWAY:
            # The breaker makes the longer pauses, for all jobs together.
            self._away += 1
            return spread_backoff_s(min(self._away, 3), least_s, most_s)
        self._failed += 1
        tries_max = self._limits.tries_max if way.pauses_s is None else len(way.pauses_s) + 1
        if meaning is not Meaning.FAILED or self._failed >= tries_max:
            return None
        if way.pauses_s is not None:
            return way.pauses_s[self._failed - 1]
        return spread_backoff_s(self._failed, least_s, most_s)


def _tell(to: Destination, job: Job, attempt: Attempt) -> Attempt:
    """Tell the breaker of an attempt; return it as it is meant in the light of others."""
    is_refusal = attempt.meaning is Meaning.REFUSED and attempt.status == 400
    if is_refusal and to.breaker.refuses_all(job.job_id, attempt.answer):
        to.breaker.failed(f"{attempt.told} to one job after the other, in the same words")
        return attempt._replace(meaning=Meaning.AWAY)
    match attempt.meaning:
        case Meaning.STARTED | Meaning.DELIVERED:
            to.breaker.started()
        case Meaning.GONE:
            to.breaker.gone(attempt.told)
        case Meaning.AWAY:
            to.breaker.failed(attempt.told, attempt.retry_after_s)
        case _:
            to.breaker.succeeded()
    return attempt


def _too_old(progress: JobProgress) -> str:
    last = f"; at last: {progress.problem}" if progress.problem else ""
    return f"it has waited for too long{last}"
