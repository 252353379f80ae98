"""Waiting until the read models show all that is in the log."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from ledger.following.checkpoint import LOG_END, POSITION, selected
from telemetry.errors import RaphusError

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg import Connection

POLL_S: Final = 0.1
PATIENCE_S: Final = 60.0
"""How long the read models may stand still while they are behind the log."""


class BehindError(RaphusError):
    """The read models do not follow the log."""


def catch_up(conn: Connection[Any], problem: Callable[[], str | None] = lambda: None) -> None:
    """Wait until the read models show what is recorded by now.

    `problem` tells why whoever keeps them up does not, where that is known.

    Raises:
        BehindError: they do not go on.
    """
    end = selected(conn, LOG_END)
    shown, since = -1, time.monotonic()
    while (position := selected(conn, POSITION)) < end:
        if position > shown:
            shown, since = position, time.monotonic()
        why = problem()
        if why is not None or time.monotonic() - since > PATIENCE_S:
            told = why or "raphus serve tells why"
            raise BehindError(f"the read models do not follow the log: {told}")
        time.sleep(POLL_S)
