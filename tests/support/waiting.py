"""Waiting for something that another thread, process or server is about to do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def until(condition: Callable[[], bool], *, limit_s: float = 30.0) -> None:
    """Return when the condition holds; the limit only ends a test that hangs.

    Raises:
        TimeoutError: it did not hold in time.
    """
    give_up_at = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > give_up_at:
            raise TimeoutError
        time.sleep(0.005)
