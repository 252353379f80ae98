"""Dodo's limit of requests: so many in each window of a minute, with headers that tell of it."""

from __future__ import annotations

import time

PER_MINUTE = 240
"""What Dodo allows a new business (api-reference/introduction)."""


class RateLimit:
    """Counts requests in windows of `window_s`, which begin at the first of them."""

    def __init__(self, per_window: int = PER_MINUTE, window_s: float = 60.0) -> None:
        self._per_window = per_window
        self._window_s = window_s
        self._ends_s = 0.0
        self._left = per_window

    def taken(self) -> bool:
        """Count one more request, and tell whether it is within the limit."""
        now_s = time.monotonic()
        if now_s >= self._ends_s:
            self._ends_s, self._left = now_s + self._window_s, self._per_window
        self._left -= 1
        return self._left >= 0

    def headers(self) -> dict[str, str]:
        """What an answer says of the limit; the reset in seconds from now."""
        reset_s = max(0.0, self._ends_s - time.monotonic())
        return {
            "x-ratelimit-limit": str(self._per_window),
            "x-ratelimit-remaining": str(max(0, self._left)),
            "x-ratelimit-reset": f"{reset_s:.3f}",
        }
