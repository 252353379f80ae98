"""How the interpreter runs: while it loads, and where threads take turns and somebody waits."""

from __future__ import annotations

import gc
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

SWITCH_INTERVAL_S: Final = 0.0005
"""How soon a thread that waits for the interpreter gets it. Hashing a body over 2 KiB gives it up,
so an event loop waits for who follows the log in the same process once a webhook: by default 5 ms
each."""
COLLECT_AFTER: Final = (20_000, 20, 20)
"""How many new objects make the collector look for cycles. A page of the follower makes tens of
thousands, and no cycles: by default it would be searched some hundred times."""


@contextmanager
def loading() -> Iterator[None]:
    """Do not look for garbage among what is loaded, now or later: it is there to the end."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def tune() -> None:
    """Have threads take turns soon, and the collector look rarely, and not at what is loaded."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.set_threshold(*COLLECT_AFTER)
    gc.freeze()
