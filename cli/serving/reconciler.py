"""Asks Dodo every few hours what was lost, in a process of its own."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from cli.serving.programs import RECONCILER, Served, read
from cli.sources import source_of
from postgres.wakeup import Bell
from reconciliation.reconciler import Reconciler
from telemetry import kept_program
from telemetry.board import Standing
from telemetry.heartbeat import EVERY_S, Heart

if TYPE_CHECKING:
    from cli.settings import Settings
    from telemetry.board import Board


def reconciler_of(settings: Settings, conninfo: str) -> Reconciler:
    """Return what asks Dodo, to be started.

    Raises:
        SettingsError: there is no key.
    """
    dodo = settings.asked_of_dodo()
    return Reconciler(
        conninfo,
        partial(source_of, settings),
        every_s=dodo.reconcile_every_s,
        per_minute=dodo.requests_per_minute,
    )


def main() -> int:
    """Do what is told on standard input, until that is closed."""
    return kept_program.run(RECONCILER, read, _work)


def _work(served: Served, board: Board) -> None:
    bell, heart = Bell(), Heart(board.own)
    reconciler = reconciler_of(served.settings, served.conninfo)
    reconciler.start()
    board.own.stand(Standing.READY)
    with kept_program.told_to_end(bell.ring, RECONCILER.end_s):
        while not bell.rung:
            heart.beat()
            bell.wait(EVERY_S)
    reconciler.stop()


if __name__ == "__main__":
    sys.exit(main())
