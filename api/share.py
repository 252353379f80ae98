"""What one process has of a server that several make up: a row on the board, a part of limits."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final, NamedTuple

from api.counters import COLUMNS
from api.http.capacity import part
from telemetry.board import Standing, alone

if TYPE_CHECKING:
    from telemetry.board import Board, Row

SUPERVISOR, FOLLOWER, WORKFLOWS, RECONCILER = "supervisor", "follower", "workflows", "reconciler"
"""The names of processes on the board, beside those that take requests."""
SILENT_S: Final = 10.0
"""A process that has not moved for so long is told of; before long it is killed."""


class Share(NamedTuple):
    """One of so many `workers`, which take requests; `secret` is known to all of them alone."""

    board: Board
    workers: int
    secret: str

    def of(self, limit: int) -> int:
        """Return this process' part of a limit of the whole server."""
        return part(limit, self.workers)

    @property
    def follower(self) -> FollowerElsewhere | None:
        """What is known of the process that follows the log; None where this one does."""
        row = self.board.rows.get(FOLLOWER)
        return None if row is None else FollowerElsewhere(row)

    @property
    def has_begun(self) -> bool:
        """Whether every process has been ready once."""
        supervisor = self.board.rows.get(SUPERVISOR)
        return supervisor is None or supervisor.runs

    @property
    def absent(self) -> dict[str, str]:
        """What to say of the processes that do not run, or hang, by their names."""
        rows = {name: row for name, row in self.board.rows.items() if name != FOLLOWER}
        found = {name: _absence(name, row) for name, row in rows.items()}
        return {name: absence for name, absence in found.items() if absence is not None}


def whole() -> Share:
    """Return the share of a process that is the whole server."""
    return Share(alone("server", COLUMNS), 1, secrets.token_urlsafe())


class FollowerElsewhere:
    """How the process stands that follows the log."""

    def __init__(self, row: Row) -> None:
        self._row = row

    @property
    def leading(self) -> bool:
        """Whether it writes the read models, and not that of another server."""
        return self._row.standing is Standing.LEADING

    @property
    def problem(self) -> str | None:
        """Why it does not do its work; None while it does."""
        if self._row.standing is Standing.FAILING:
            return "the read models do not follow the log"
        return _absence(FOLLOWER, self._row)


def _absence(name: str, row: Row) -> str | None:
    if not row.runs:
        return f"the process {name} does not run; the server's log tells why"
    if row.silent_s > SILENT_S:
        return f"the process {name} has not moved for {row.silent_s:.0f} s"
    return None
