"""How the interpreter runs where threads take turns and somebody waits for each."""

from __future__ import annotations

import gc
import sys
from typing import Final

SWITCH_INTERVAL_S: Final = 0.0005
"""How soon a thread that waits for the interpreter gets it. Hashing a body over 2 KiB gives it up,
so an event loop waits for the writer, or who follows the log, once a webhook: by default 5 ms
each."""
COLLECT_AFTER: Final = (20_000, 20, 20)
"""How many new objects make the collector look for cycles. A page of the follower makes tens of
thousands, and no cycles: by default it would be searched some hundred times."""


def tune() -> None:
    """Have threads take turns soon, and the collector look rarely, and not at what is loaded."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.set_threshold(*COLLECT_AFTER)
    gc.freeze()
