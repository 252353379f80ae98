"""One made-up event sent to a route's target, outside the outbox, to see that it runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import msgspec

from workflows.job_arguments import Transformer
from workflows.limits import LIMITS
from workflows.targets.attempt import Meaning
from workflows.targets.catalogue import Senders
from workflows.targets.target import NoAnswerError, OutcomeError, Parcel

if TYPE_CHECKING:
    from uuid import UUID

    from workflows.routes.route import Route
    from workflows.targets.surroundings import Surroundings
    from workflows.targets.target import Way
    from workflows.trigger import Trigger

WAIT_S: Final = 30.0
_ASK_EVERY_S: Final = 0.5


class Tried(msgspec.Struct, frozen=True):
    """What came of it.

    `status` and `answer` are the target's to the request. `outcome`: null where it did not take
    it; then succeeded, failed, or running where a job had not ended in time. `problem` tells
    why it failed.
    """

    job_id: str
    status: int | None
    answer: str
    outcome: str | None
    problem: str | None


async def arguments(route: Route, trigger: Trigger) -> bytes:
    """Return the arguments that an event gives to a route's job.

    Raises:
        TransformationError, Cancelled: the transformation gives none.
    """
    transformer = Transformer()
    try:
        return await transformer.arguments(route, trigger)
    finally:
        await transformer.close()


async def attempt(
    route: Route, surroundings: Surroundings, given: bytes, *, wait_s: float = WAIT_S
) -> Tried:
    """Send what was made of an event, under ids that nobody else has, and wait for its outcome.

    Raises:
        TargetError: it is not known where.
    """
    job_id = uuid4()
    senders = Senders(surroundings, LIMITS)
    try:
        way = senders.way(route.name, route.target)
        made = await way.send(Parcel(job_id, f"msg_test_{job_id.hex}", given))
        outcome, problem = None, made.problem or None
        if made.meaning is Meaning.DELIVERED:
            outcome = "succeeded"
        elif made.meaning is Meaning.STARTED:
            outcome, problem = await _outcome(way, job_id, wait_s)
        return Tried(str(job_id), made.status, made.answer, outcome, problem)
    finally:
        await senders.close()


async def _outcome(way: Way, job_id: UUID, wait_s: float) -> tuple[str, str | None]:
    loop, problem = asyncio.get_running_loop(), None
    give_up_at = loop.time() + wait_s
    while True:
        try:
            if outcome := await way.outcome(job_id):
                return "succeeded" if outcome.succeeded else "failed", outcome.problem
            problem = f"it has not ended in {wait_s:g} s"
        except (NoAnswerError, OutcomeError) as error:
            problem = f"its outcome cannot be asked for: {error}"
        if loop.time() >= give_up_at:
            return "running", problem
        await asyncio.sleep(_ASK_EVERY_S)
