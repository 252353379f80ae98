"""Keeps the processes running that make up a server, and ends them in order."""

from __future__ import annotations

import logging
import os
import secrets
import signal
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from api.counters import COLUMNS
from api.http.listening import StartError
from api.share import FOLLOWER, RECONCILER, SUPERVISOR, WORKFLOWS
from cli.serving import programs
from cli.serving.beside import reconciles, workflows
from cli.serving.programs import Served
from cli.settings import without_secrets
from postgres.wakeup import Bell
from telemetry.board import Board, Standing, shared
from telemetry.kept_process import KeptProcess, Program, stop_together, watched

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from cli.settings import Settings
    from telemetry.board import Place

_log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 0.02
"""How often it is looked whether all processes are ready, until they are."""


class Crew(NamedTuple):
    """The processes of a server, in the groups in which they end, first to last."""

    takes_requests: list[KeptProcess]
    follows: list[KeptProcess]
    beside: list[KeptProcess]

    @property
    def all(self) -> list[KeptProcess]:
        """Every one of them."""
        return [process for group in self for process in group]


def serve_by_processes(
    settings: Settings,
    conninfo: str,
    sock: socket.socket,
    workers: int,
    ready: Callable[[], None],
) -> None:
    """Serve until SIGINT or SIGTERM; a process that dies or hangs is started again.

    So many take requests, one follows the log, and others do what else is asked for.

    Raises:
        StartError: one of them has died before all were ready.
        UnreachableError: the database went away.
    """
    requests = [f"worker {number}" for number in range(1, workers + 1)]
    beside = [WORKFLOWS] * settings.windmill.used + [RECONCILER] * reconciles(settings)
    names = [*requests, FOLLOWER, *beside, SUPERVISOR]
    with shared(SUPERVISOR, names, COLUMNS) as place, _told_to_end() as bell:
        board = Board(place)
        served = Served(settings, conninfo, workers, sock.fileno(), secrets.token_urlsafe())
        crew = _crew(served, place, board, requests)
        try:
            for process in crew.all:
                process.start()
            with watched(crew.all):
                if _all_ready(crew, bell):
                    board.own.stand(Standing.READY)
                    ready()
                bell.wait(None)
        finally:
            sock.close()  # from here on, nobody listens but those who are about to end
            for group in crew:
                stop_together(group)
    _log.info("stopped")


def _crew(served: Served, place: Place, board: Board, requests: list[str]) -> Crew:
    task, environ = programs.told(served), without_secrets(os.environ)

    def kept(program: Program, name: str, *files: int) -> KeptProcess:
        there = msgspec.structs.replace(place, name=name)
        return KeptProcess(program, task, environ, there, board, files)

    settings = served.settings
    beside = []
    if settings.windmill.used:
        beside.append(workflows(settings, served.conninfo, place, board))
    if reconciles(settings):
        beside.append(kept(programs.RECONCILER, RECONCILER))
    return Crew(
        [kept(programs.HTTP_WORKER, name, served.socket) for name in requests],
        [kept(programs.FOLLOWER, FOLLOWER)],
        beside,
    )


def _all_ready(crew: Crew, bell: Bell) -> bool:
    """Wait until all processes are ready; tell whether they are, and are not to end already.

    Raises:
        StartError: one has died.
    """
    while not bell.rung:
        if any(process.has_died for process in crew.all):
            raise StartError(StartError.__doc__)
        if all(process.is_ready for process in crew.all):
            return True
        bell.wait(LOOK_EVERY_S)
    return False


@contextmanager
def _told_to_end() -> Iterator[Bell]:
    """Yield what rings at SIGINT and SIGTERM, however often they come."""
    bell = Bell()
    with ExitStack() as stack:
        stack.callback(bell.close)
        for number in (signal.SIGINT, signal.SIGTERM):
            before = signal.signal(number, lambda *_: bell.ring())
            stack.callback(signal.signal, number, before)
        yield bell
