"""Follows the log for the outbox, sends, and asks for outcomes, in a process of its own.

It is told what it needs on standard input, and ends when that is closed: with the server that
started it, however the server ends.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from contextlib import suppress
from typing import Final

import msgspec

from telemetry import child, logs
from telemetry.concealment import conceal
from telemetry.redaction import origin_of
from workflows.worker import Task, run

_log = logging.getLogger(__name__)

END_S: Final = 10.0
"""How long it may take to end in order: nobody else may be left to end it."""
SWITCH_INTERVAL_S: Final = 0.0005
"""How soon a thread that waits for the interpreter gets it: the log is followed in one of its own,
and by default the answers of Windmill would wait for it 5 ms each."""


def main() -> int:
    """Read the task from the first line of standard input, and do it until that is closed."""
    conceal()  # before it reads secrets
    logs.set_up(logging.INFO)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    line = sys.stdin.buffer.readline()
    if not line:
        return 0
    task = msgspec.json.decode(line, type=Task)
    try:
        asyncio.run(_until_closed(task))
    except Exception as error:  # noqa: BLE001 -- the text could quote what it was told
        _log.error("the process that starts Windmill's jobs ends: %s", origin_of(error))
        return 1
    return 0


async def _until_closed(task: Task) -> None:
    """Run until standard input is closed, or SIGTERM asks for it."""
    loop, closed = asyncio.get_running_loop(), asyncio.Event()

    def close() -> None:
        with suppress(RuntimeError):  # it has ended by itself
            loop.call_soon_threadsafe(closed.set)

    child.ends_with_its_parent(close, END_S)
    with suppress(NotImplementedError):  # on Windows, where there is no such signal
        loop.add_signal_handler(signal.SIGTERM, closed.set)
    running = asyncio.create_task(run(task))
    closing = asyncio.create_task(closed.wait())
    await asyncio.wait([running, closing], return_when=asyncio.FIRST_COMPLETED)
    running.cancel()
    closing.cancel()
    with suppress(asyncio.CancelledError):
        await running


if __name__ == "__main__":
    sys.exit(main())
