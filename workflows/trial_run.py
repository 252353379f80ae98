"""One made-up event sent to a route's workflow, outside the outbox, to see that it runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import msgspec

from workflows.dispatch.address import Address
from workflows.dispatch.windmill_client import WindmillClient, WindmillError
from workflows.job_arguments import Transformer
from workflows.outbox.attempt import Meaning

if TYPE_CHECKING:
    from uuid import UUID

    from workflows.dispatch.address import Windmill
    from workflows.routes.route import Route
    from workflows.trigger import Trigger

WAIT_S: Final = 30.0
_ASK_EVERY_S: Final = 0.5


class Tried(msgspec.Struct, frozen=True):
    """What came of it.

    `status` and `answer` are Windmill's to the request that was to start the job. `outcome`:
    null where it was not started; then succeeded, failed, or running where it had not ended in
    time. `problem` tells why it failed.
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
    route: Route, windmill: Windmill, given: bytes, *, wait_s: float = WAIT_S
) -> Tried:
    """Start a job with arguments, under an id that nobody else has, and wait for its outcome.

    Raises:
        AddressError: it is not known where.
    """
    address, job_id = Address.of(route, windmill), uuid4()
    client = WindmillClient(1)
    try:
        made = await client.start(address, job_id, given)
        outcome, problem = None, None
        if made.meaning is Meaning.STARTED:
            outcome, problem = await _outcome(client, address, job_id, wait_s)
        return Tried(str(job_id), made.status, made.answer, outcome, problem)
    finally:
        await client.close()


async def _outcome(
    client: WindmillClient, address: Address, job_id: UUID, wait_s: float
) -> tuple[str, str | None]:
    loop, problem = asyncio.get_running_loop(), None
    give_up_at = loop.time() + wait_s
    while True:
        try:
            if outcome := await client.outcome(address, job_id):
                return "succeeded" if outcome.succeeded else "failed", outcome.problem
            problem = f"it has not ended in {wait_s:g} s"
        except WindmillError as error:
            problem = f"its outcome cannot be asked for: {error}"
        if loop.time() >= give_up_at:
            return "running", problem
        await asyncio.sleep(_ASK_EVERY_S)
