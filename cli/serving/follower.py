"""Keeps the read models up with the log, in a process of its own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from api.metrics import Metrics
from cli.serving.programs import FOLLOWER, Served, read
from ledger.mapper import LedgerMapper
from postgres.wakeup import Bell
from projections.live.follower import Follower
from telemetry import kept_program
from telemetry.board import Standing
from telemetry.heartbeat import Heart

if TYPE_CHECKING:
    from telemetry.board import Board

SHOW_EVERY_S: Final = 0.1
"""How often it is shown to the other processes how it stands."""


def main() -> int:
    """Do what is told on standard input, until that is closed."""
    return kept_program.run(FOLLOWER, read, _work)


def _work(served: Served, board: Board) -> None:
    bell, heart = Bell(), Heart(board.own)
    follower = Follower(served.conninfo, LedgerMapper(), Metrics(board).count_page)
    follower.start()
    try:
        with kept_program.told_to_end(bell.ring, FOLLOWER.end_s):
            while not bell.rung:
                heart.beat()
                board.own.stand(_standing(follower))
                bell.wait(SHOW_EVERY_S)
    finally:
        follower.stop()


def _standing(follower: Follower) -> Standing:
    if follower.problem is not None:
        return Standing.FAILING
    return Standing.LEADING if follower.leading else Standing.READY


if __name__ == "__main__":
    sys.exit(main())
