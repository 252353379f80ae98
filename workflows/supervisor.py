"""Keeps the process that starts jobs running for as long as the server does."""

from __future__ import annotations

import logging
import subprocess
import time
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Final

import msgspec

from telemetry import child
from telemetry.backoff import backoff_s
from workflows import worker_process as program

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workflows.worker import Task

_log = logging.getLogger(__name__)

PAUSE_MIN_S: Final = 1.0
PAUSE_MAX_S: Final = 30.0
"""The pause before it is started again doubles from the one to the other ..."""
WELL_S: Final = 60.0
"""... and begins anew once it has run for so long."""
END_S: Final = program.END_S + 5.0
"""How long it may take to end in order; a job on its way is sent again, and started once."""


class Supervisor:
    """Starts the process, in an environment that holds no secret, and again when it dies."""

    def __init__(self, task: Task, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._task = msgspec.json.encode(task) + b"\n"
        self._stopping = Event()
        self._starting = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = Thread(target=self._run, name="windmill")

    def start(self) -> None:
        """Start the process."""
        self._thread.start()

    def stop(self) -> None:
        """End the process, and wait until it has ended."""
        self._stopping.set()
        with self._starting:  # from here on, none is started
            process = self._process
        if process is not None:
            child.end(process, END_S)
        self._thread.join()

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            began_s = time.monotonic()
            ended = self._run_once()
            if self._stopping.is_set():
                return
            _log.error("the process that starts Windmill's jobs %s", ended)
            failures = 1 if time.monotonic() - began_s > WELL_S else failures + 1
            self._stopping.wait(backoff_s(failures, PAUSE_MIN_S, PAUSE_MAX_S))

    def _run_once(self) -> str:
        """Start the process, wait until it has ended, and tell how it did."""
        with self._starting:
            if self._stopping.is_set():
                return "is not wanted any more"
            try:
                process = child.start(program.__name__, self._task, environ=self._environ)
                self._process = process
            except OSError as error:
                return f"cannot be started: {error.strerror}"
        _log.info("process %d starts Windmill's jobs", process.pid)
        process.wait()
        child.opened(process.stdin).close()
        return f"has ended with {process.returncode}"
