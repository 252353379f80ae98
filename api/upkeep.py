"""Starts upkeep beside the server, in a process of its own, and ends it with the server."""

from __future__ import annotations

import asyncio
import logging
import subprocess
from threading import Thread
from typing import TYPE_CHECKING, Final

import msgspec

from api.http.errors import ApiError, not_now
from projections.upkeep import work
from projections.upkeep.jobs import ALONE_AFTER_S
from telemetry import child

if TYPE_CHECKING:
    from collections.abc import Sequence

    from projections.upkeep.jobs import Kind

_log = logging.getLogger(__name__)

END_S: Final = work.END_S + 3.0
"""How long a process may take to end in order before it is killed, which does no harm."""


class Upkeep:
    """One job at a time: of all servers of a database, which its lock sees to, and of this one."""

    def __init__(self, conninfo: str, secrets: Sequence[str]) -> None:
        self._conninfo = conninfo
        self._secrets = [*secrets]
        """What signatures in the log are checked with."""
        self._starting = asyncio.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = False

    async def begin(self, kind: Kind, key: str | None) -> int | None:
        """Begin a job, for who has the key of this name, and return its id; None: another runs.

        Raises:
            ApiError: 503; the database is away, or no process can be started.
        """
        task = work.Task(self._conninfo, kind, key, self._secrets)
        async with self._starting:
            if self._stopping:
                raise not_now("stopping", "the server stops")
            return await asyncio.shield(asyncio.to_thread(self._start, task))

    async def stop(self) -> None:
        """End what runs, in order if it can."""
        self._stopping = True
        async with self._starting:
            process = self._process
        if process is not None:
            await asyncio.to_thread(child.end, process, END_S)

    def _start(self, task: work.Task) -> int | None:
        if self._process is not None:
            try:
                self._process.wait(ALONE_AFTER_S)
            except subprocess.TimeoutExpired:
                return None
        try:
            process = child.start(
                work.__name__, msgspec.json.encode(task) + b"\n", stdout=subprocess.PIPE
            )
        except OSError as error:
            _log.error("upkeep cannot be started: %s", error.strerror)
            raise _not_begun() from error
        self._process = process
        Thread(target=_watch, args=[process, task.kind], name="upkeep", daemon=True).start()
        with child.opened(process.stdout) as stdout:
            said = stdout.readline().decode().strip()
        if said.isdigit():
            return int(said)
        if said == work.BUSY:
            process.wait()
            return None
        raise _not_begun()


def _watch(process: subprocess.Popen[bytes], kind: Kind) -> None:
    status = process.wait()
    child.opened(process.stdin).close()
    if status:
        _log.warning("the process of a job (%s) has ended with %d", kind, status)


def _not_begun() -> ApiError:
    return not_now("unavailable", "it could not be begun: the database is away, it may be")
