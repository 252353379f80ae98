"""All that sends to targets, put together; built anew after the database was away."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from postgres.advisory_locks import AdvisoryLock
from postgres.connections import DATABASE_ERRORS
from postgres.failures import absence_of
from telemetry.incident import Incident
from telemetry.redaction import origin_of
from workflows.announcing.while_wanted import announce_while_wanted
from workflows.dispatch.access_loader import AccessLoader
from workflows.dispatch.connecting import connected_within, lead
from workflows.dispatch.dispatcher import Dispatcher
from workflows.dispatch.job_delivery import JobDelivery
from workflows.dispatch.outcome_poller import OutcomePoller
from workflows.dispatch.progress_recorder import ProgressRecorder
from workflows.dispatch.trigger_loader import TriggerLoader
from workflows.job_arguments import Transformer
from workflows.limits import LIMITS, Limits
from workflows.outbox.follower import Outbox
from workflows.outbox.table import CHANNEL
from workflows.policy_file import PolicyFile
from workflows.routes.routes_file import RoutesFile
from workflows.targets.catalogue import Senders
from workflows.targets.surroundings import Surroundings, Windmill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from postgres.connections import AsyncConnection
    from workflows.task import Task

_log = logging.getLogger(__name__)

NAME: Final = "raphus-windmill"
POLL_S: Final = 1.0
PAUSE_S: Final = 0.5
"""The pause after a failure: short, since the database may be back."""


async def run(task: Task, limits: Limits = LIMITS) -> None:
    """Start jobs until it is cancelled; where the database goes away, begin anew."""
    path = Path(task.routes_path)
    # The routes were there when somebody asked for this: a file that is gone is no empty one.
    outbox = Outbox(task.conninfo, RoutesFile(path, required=True))
    announcing = announce_while_wanted(
        task.conninfo, _policy(task), RoutesFile(path, required=True)
    )
    outbox.start()
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(announcing)
            tasks.create_task(_Sending(task, RoutesFile(path, required=True), limits).run())
    finally:
        await asyncio.to_thread(outbox.stop)


def _policy(task: Task) -> PolicyFile:
    return PolicyFile(Path(task.policy_path), required=task.policy_required)


class _Sending:
    """The dispatcher and what it works with, in one session after the other."""

    def __init__(self, task: Task, routes: RoutesFile, limits: Limits) -> None:
        self._conninfo = task.conninfo
        windmill = Windmill(task.base_url, task.workspace, task.token)
        self._surroundings = Surroundings(windmill, os.environ)
        self._routes = routes
        self._policy = _policy(task)
        self._limits = limits
        self._incident = Incident(_log, "no job is started")
        self._routes_incident = Incident(_log, "the routes cannot be read")
        self._leading: AsyncConnection | None = None

    async def run(self) -> None:
        """Run sessions, until it is cancelled."""
        while True:
            try:
                await self._session()
            except* DATABASE_ERRORS as errors:
                self._incident.begin(absence_of(next(_leaves(errors))))
            except* Exception as errors:  # noqa: BLE001 -- told, and tried again
                self._incident.begin(", ".join(sorted(set(map(origin_of, _leaves(errors))))))
            await asyncio.sleep(PAUSE_S)

    async def _session(self) -> None:
        """Send while this process is the one that does, and its connections last.

        The one that holds the lock is listened on, so that its end is noticed at once. Even so,
        two processes that send start nothing twice, and nothing out of order.
        """
        async with AsyncExitStack() as stack:
            before, conninfo = self._leading, self._conninfo
            leading = await connected_within(stack, conninfo, NAME, instead_of=before)
            self._leading = leading
            await lead(leading, AdvisoryLock.DISPATCH)
            filling, loading, judging, recording, asking = [
                await connected_within(stack, conninfo, NAME) for _ in range(5)
            ]
            senders = Senders(self._surroundings, self._limits)
            stack.push_async_callback(senders.close)
            transformer = Transformer()
            stack.push_async_callback(transformer.close)
            self._incident.end()
            async with asyncio.TaskGroup() as tasks:
                recorder, loader = ProgressRecorder(), TriggerLoader()
                access = AccessLoader(self._policy, self._limits)
                delivery = JobDelivery(transformer, loader, access, recorder, self._limits)
                dispatcher = Dispatcher(tasks, delivery, recorder, senders, self._limits)
                outcomes = OutcomePoller(senders, self._routes.current, self._limits)
                tasks.create_task(outcomes.run(asking))
                tasks.create_task(loader.run(loading))
                tasks.create_task(access.run(judging))
                tasks.create_task(dispatcher.run(filling))
                tasks.create_task(recorder.run(recording, dispatcher.recorded))
                await _listen(leading, lambda: self._look_again(dispatcher))

    def _look_again(self, dispatcher: Dispatcher) -> None:
        routes = self._routes.current()
        dispatcher.look_again(routes)
        if self._routes.problem is None:
            self._routes_incident.end()
        else:
            so = "those of before stay" if routes else "nothing is started until they can"
            self._routes_incident.begin(f"{self._routes.problem}; {so}")


async def _listen(conn: AsyncConnection, look_again: Callable[[], None]) -> None:
    await conn.execute(f"LISTEN {CHANNEL}".encode())
    while True:
        await conn.execute("SELECT")  # what is only listened on may be dead without a word
        look_again()
        async for _ in conn.notifies(timeout=POLL_S, stop_after=1):
            pass


def _leaves(errors: BaseExceptionGroup[Any]) -> Iterator[BaseException]:
    for error in errors.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
