"""Follows the log for the outbox, sends, and asks for outcomes, in a process of its own."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from telemetry import kept_program
from telemetry.board import Standing
from telemetry.heartbeat import Heart
from workflows.task import PROGRAM, Task
from workflows.worker import run

if TYPE_CHECKING:
    from telemetry.board import Board


def main() -> int:
    """Do the task that is told on standard input, until that is closed."""
    return kept_program.run(PROGRAM, msgspec.json.Decoder(Task).decode, _work)


def _work(task: Task, board: Board) -> None:
    asyncio.run(_until_told_to_end(task, board))


async def _until_told_to_end(task: Task, board: Board) -> None:
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    with kept_program.told_to_end(partial(loop.call_soon_threadsafe, told.set), PROGRAM.end_s):
        running = asyncio.create_task(run(task))
        ending = asyncio.create_task(told.wait())
        Heart(board.own).beat_with(loop)
        board.own.stand(Standing.READY)
        await asyncio.wait([running, ending], return_when=asyncio.FIRST_COMPLETED)
        running.cancel()
        ending.cancel()
        with suppress(asyncio.CancelledError):
            await running


if __name__ == "__main__":
    sys.exit(main())
