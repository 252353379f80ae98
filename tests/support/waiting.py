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
WAITED: Final = 0.1
"""The pause grows with what has been waited for already, to so much of it: what takes long is not
looked at a thousand times, and seen hardly later."""
Seen = TypeVar("Seen")


def until(condition: Callable[[], Seen], *, limit_s: float = GUARD_S) -> Seen:
    """Return what was seen when it is true; the limit only ends a test that hangs.

    What is there may be gone at a second look, so that who needs it takes what was seen.

    Between two looks it waits twice as long as a look takes at least, and longer each time: what is
    waited for needs the processor too.

    Raises:
        TimeoutError: it did not become true in time.
    """
    asked_at = time.monotonic()
    while True:
        began_at = time.monotonic()
        if seen := condition():
            return seen
        now = time.monotonic()
        if now > asked_at + limit_s:
            raise TimeoutError
        pause_s = max(PAUSE_MIN_S, 2 * (now - began_at), WAITED * (now - asked_at))
        time.sleep(min(pause_s, PAUSE_MAX_S))
