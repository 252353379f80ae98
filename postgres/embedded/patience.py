"""A limit on one wait."""

from __future__ import annotations

import logging
import math
import time
from threading import Event

logger = logging.getLogger(__name__)

PAUSE_S = 0.02
SILENT_S = 5.0


class Patience:
    """How long to wait for something; a wait that takes long is logged, once.

    Whoever sets `cancelled` ends the wait at once.
    """

    def __init__(self, awaited: str, limit_s: float, cancelled: Event | None = None) -> None:
        self._awaited = awaited
        self._cancelled = cancelled or Event()
        now_s = time.monotonic()
        self._ends_at_s = now_s + limit_s
        self._speaks_at_s = now_s + SILENT_S

    def pause(self) -> bool:
        """Sleep for a moment; False when there is no more waiting to be done."""
        now_s = time.monotonic()
        if now_s > self._speaks_at_s:
            logger.warning("still waiting for %s", self._awaited)
            self._speaks_at_s = math.inf
        return now_s < self._ends_at_s and not self._cancelled.wait(PAUSE_S)
