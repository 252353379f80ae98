"""Does one job of upkeep, in a process of its own, and keeps how far it is and what it found.

It is told what to do on the first line of standard input, says on standard output whether it has
begun, and ends when its input is closed: with the server that started it, however that ends.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec
import psycopg

from ledger.following.pages import LogError
from ledger.integrity.signatures import StoredSignatures
from ledger.integrity.verify import verify
from postgres.connections import WORKING, connect
from postgres.failures import reason_of
from projections.read_models.catalogue import READ_MODELS
from projections.rebuild.rebuild import RebuildError, rebuild
from projections.upkeep import jobs
from projections.upkeep.findings import Ended, of_log, of_tables
from projections.upkeep.jobs import Kind
from telemetry import child, logs
from telemetry.concealment import conceal
from telemetry.redaction import origin_of

if TYPE_CHECKING:
    from telemetry.progress import Progress

_log = logging.getLogger(__name__)

END_S: Final = 2.0
"""How long it may take to end in order; it may be killed at any time."""
TELL_EVERY_S: Final = 0.5
"""How often it is told at the most how far a phase is."""
BUSY: Final = "busy"
STREAMS, VERIFY = "check the streams", "verify"
"""The phases of a verification; the numbers of the second are events."""
NAME: Final = "raphus-upkeep"


class Task(msgspec.Struct):
    """What is to be done, and who asked for it: the name of his key.

    With the `secrets` signatures are checked. All this is read from standard input, by a concealed
    process, and written nowhere.
    """

    conninfo: str
    kind: Kind
    key: str | None
    secrets: list[str]


class _CancelledError(Exception):
    """Somebody has asked to cancel it."""


class _StoppedError(Exception):
    """The server that started it stops."""


class _Teller:
    """Keeps how far a job is, every now and then, and ends it where that is asked for."""

    def __init__(self, conn: psycopg.Connection[Any], id_: int, stopped: threading.Event) -> None:
        self._conn = conn
        self._id = id_
        self._stopped = stopped
        self._phase = ""
        self._told_at = float("-inf")

    def __call__(self, phase: str, done: int, total: int) -> None:
        if self._stopped.is_set():
            raise _StoppedError
        now = time.monotonic()
        if phase == self._phase and done < total and now < self._told_at + TELL_EVERY_S:
            return
        self._phase, self._told_at = phase, now
        if jobs.tell(self._conn, self._id, phase, done, total):
            raise _CancelledError


def work(task: Task, stopped: threading.Event) -> None:
    """Do a job, unless another one runs.

    Raises:
        psycopg.Error: the database went away; what was done counts for nothing.
    """
    with connect(task.conninfo, WORKING, NAME) as conn:
        id_ = jobs.begin(conn, task.kind, task.key)
        child.say(BUSY if id_ is None else str(id_))
        if id_ is not None:
            ended = _ended(task, _Teller(conn, id_, stopped))
            jobs.end(conn, id_, ended)


def _ended(task: Task, progress: Progress) -> Ended:
    try:
        return _done(task, progress)
    except _CancelledError:
        return Ended("cancelled")
    except _StoppedError:
        return Ended("failed", "the server stopped meanwhile; nothing has changed")
    except (RebuildError, LogError) as error:
        return Ended("failed", f"nothing has changed: {error}")
    except psycopg.Error as error:
        return Ended("failed", f"nothing has changed: {reason_of(error)}")
    except Exception as error:  # noqa: BLE001 -- the text could quote a body
        _log.error("%s failed: %s", task.kind, origin_of(error))
        return Ended("failed", "nothing has changed: a defect, of which the server's log tells")


def _done(task: Task, progress: Progress) -> Ended:
    if task.kind == "verify":
        with connect(task.conninfo, WORKING, NAME) as conn:
            progress(STREAMS, 0, 1)
            verified = verify(
                conn,
                progress=lambda *far: progress(VERIFY, *far),
                signatures=StoredSignatures(task.secrets),
            )
            return of_log(verified)
    check = task.kind == "rebuild_check"
    found = rebuild(task.conninfo, READ_MODELS, check=check, progress=progress)
    return of_tables(found, check=check)


def main() -> int:
    """Do what the first line of standard input says, until that is closed."""
    conceal()  # before it reads how to reach the database
    logs.set_up(logging.INFO)
    line = sys.stdin.buffer.readline()
    if not line:
        return 0
    task = msgspec.json.decode(line, type=Task)
    stopped = threading.Event()
    child.ends_with_its_parent(stopped.set, END_S)
    try:
        work(task, stopped)
    except Exception as error:  # noqa: BLE001 -- the text could quote what it was told
        _log.error("%s ends: %s", task.kind, origin_of(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
