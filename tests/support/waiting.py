"""Waiting for something that another thread, process or server is about to do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

GUARD_S: Final = 120.0
"""Long enough for anything here on a busy machine; only a hang takes longer."""
PAUSE_MIN_S: Final = 0.005
PAUSE_MAX_S: Final = 0.2
LONGER: Final = 1.25
Seen = TypeVar("Seen")


def until(condition: Callable[[], Seen], *, limit_s: float = GUARD_S) -> Seen:
    """Return what was seen when it is true; the limit only ends a test that hangs.

    What is there may be gone at a second look, so that who needs it takes what was seen.

    Between two looks it waits twice as long as a look takes at least, and longer each time: what is
    waited for needs the processor too.

    Raises:
        TimeoutError: it did not become true in time.
    """
    give_up_at = time.monotonic() + limit_s
    pause_s = PAUSE_MIN_S
    while True:
        began_at = time.monotonic()
        if seen := condition():
            return seen
        now = time.monotonic()
        if now > give_up_at:
            raise TimeoutError
        pause_s = min(max(pause_s * LONGER, 2 * (now - began_at)), PAUSE_MAX_S)
        time.sleep(pause_s)
