"""Keeps a child process running for as long as the server does, also where it hangs."""

from __future__ import annotations

import logging
import subprocess
import time
from contextlib import contextmanager
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from telemetry import child
from telemetry.backoff import backoff_s
from telemetry.board import Standing
from telemetry.heartbeat import BEGINS_S, EVERY_S, HANGS_S, Silence, ask_where

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from telemetry.board import Board, Place

_log = logging.getLogger(__name__)

PAUSE_MIN_S: Final = 0.2
PAUSE_MAX_S: Final = 30.0
"""The pause before it is started again doubles from the one to the other ..."""
WELL_S: Final = 60.0
"""... and begins anew once it has run for so long."""
LATE_S: Final = 5.0
"""So much later than a program should have ended in order it is killed."""


class Program(NamedTuple):
    """A module that does something, as said in the log: "process 17 follows the log".

    `end_s` is how long it may take to end in order.
    """

    module: str
    does: str
    end_s: float


class KeptProcess:
    """Starts a program, in an environment that holds no secret, and again when it dies or hangs.

    It is told its task and its place on the board on standard input, as `telemetry.kept_program`
    reads them, and inherits `files`. That it hangs is seen while it is `watched`.
    """

    def __init__(
        self,
        program: Program,
        task: bytes,
        environ: Mapping[str, str],
        place: Place,
        board: Board,
        files: Sequence[int] = (),
    ) -> None:
        self._program = program
        self._told = msgspec.json.encode(place) + b"\n" + task + b"\n"
        self._environ = environ
        self._row = board.rows[place.name]
        self._files = [*files, *([] if place.file is None else [place.file])]
        self._stopping = Event()
        self._starting = Lock()
        self._silence = Silence()
        self._is_asked = False
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = Thread(target=self._run, name=place.name)
        self.has_died = False
        """Whether it has ever ended by itself, or could not be started."""

    @property
    def is_ready(self) -> bool:
        """Whether it is at work."""
        return self._row.runs

    def start(self) -> None:
        """Start the process."""
        self._thread.start()

    def stop(self) -> None:
        """End the process, and wait until it has ended."""
        stop_together([self])

    def tell_to_end(self) -> None:
        """Have the process end, and none start any more."""
        self._stopping.set()
        with self._starting:
            process = self._process
        if process is not None:
            child.opened(process.stdin).close()

    def await_end(self, told_at_s: float) -> None:
        """Wait until it has ended; kill it where that takes too long since it was told to."""
        if self._process is not None:
            late_at_s = told_at_s + self._program.end_s + LATE_S
            child.end(self._process, max(0.0, late_at_s - time.monotonic()))
        self._thread.join()

    def look(self) -> None:
        """Ask the process where it is if it hangs, and kill it at the next look.

        Then it is started again like any other that dies.
        """
        process, row = self._process, self._row
        if process is None or process.returncode is not None or self._stopping.is_set():
            return
        silent_s = self._silence.of((process.pid, row.standing, row.beats))
        row.silent_s = silent_s if row.runs else 0.0  # one that begins is told of as such
        if silent_s < (HANGS_S if row.runs else BEGINS_S):
            self._is_asked = False
        elif self._is_asked:
            process.kill()
        else:
            self._is_asked = True
            self._tell(f"has not moved for {silent_s:.0f} s, and is killed")
            ask_where(process)

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            began_s = time.monotonic()
            ended = self._run_once()
            self._row.stand(Standing.ABSENT)
            if self._stopping.is_set():
                return
            self.has_died = True
            self._tell(ended)
            failures = 1 if time.monotonic() - began_s > WELL_S else failures + 1
            self._stopping.wait(backoff_s(failures, PAUSE_MIN_S, PAUSE_MAX_S))

    def _tell(self, what: str) -> None:
        _log.error("%s, the process that %s, %s", self._thread.name, self._program.does, what)

    def _run_once(self) -> str:
        """Start the process, wait until it has ended, and tell how it did."""
        with self._starting:
            if self._stopping.is_set():
                return "is not wanted any more"
            self._row.stand(Standing.BEGINNING)
            try:
                process = child.start(
                    self._program.module, self._told, environ=self._environ, files=self._files
                )
            except OSError as error:
                return f"cannot be started: {error.strerror}"
            self._process = process
        _log.info("process %d %s", process.pid, self._program.does)
        process.wait()
        child.opened(process.stdin).close()
        return f"has ended with {process.returncode}"


def stop_together(processes: Sequence[KeptProcess]) -> None:
    """End several at once, and wait until all have ended."""
    told_at_s = time.monotonic()
    for process in processes:
        process.tell_to_end()
    for process in processes:
        process.await_end(told_at_s)


@contextmanager
def watched(processes: Sequence[KeptProcess]) -> Iterator[None]:
    """Look whether any of them hangs, in a thread, until the block ends."""
    ended = Event()

    def watch() -> None:
        while not ended.wait(EVERY_S):
            for process in processes:
                process.look()

    thread = Thread(target=watch, name="watch")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
