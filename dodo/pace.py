"""How fast Dodo is asked, and how long one waits after what it said."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from threading import Event
from typing import TYPE_CHECKING, Final

from dodo.errors import LimitedError, StoppedError
from telemetry.backoff import spread_backoff_s

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = logging.getLogger(__name__)

REQUESTS_PER_MINUTE: Final = 120
"""Half of what Dodo allows a new business, so that the merchant's own programs have the rest."""
BURST_SHARE: Final = 1 / 20
"""How much of a minute may be asked at once. Dodo counts by second, too, and each of its tiers
(40 a second and 240 a minute, 100 and 1,000, 500 and 5,000) has room for a twentieth of a minute
and what one second adds to it: so one limit keeps both."""
FAR_S: Final = 366 * 86_400.0
"""No wait is told as longer than a year, which a calendar might not have."""
WORTH_TELLING_S: Final = 5.0
EPOCH_MIN: Final = 1_000_000_000
"""`X-RateLimit-Reset` has no unit in the documentation: below it counts seconds from now."""


class Pace:
    """Says when the next request may go, for one thread that asks one after the other.

    A request that failed is tried again after `backoff_s`, doubled each time up to
    `backoff_max_s` and less by chance, `attempts_max` times in all. What Dodo says itself goes
    before: it is waited for up to `wait_max_s`. Whoever sets `stop` ends every wait.
    """

    def __init__(
        self,
        per_minute: int = REQUESTS_PER_MINUTE,
        *,
        stop: Event | None = None,
        attempts_max: int = 8,
        backoff_s: tuple[float, float] = (1.0, 60.0),
        wait_max_s: float = 900.0,
    ) -> None:
        if per_minute < 1 or attempts_max < 1:
            raise ValueError("less than one request a minute, or less than one attempt")
        self.attempts_max = attempts_max
        self._per_s = per_minute / 60
        self._room = max(1.0, per_minute * BURST_SHARE)
        self._left = self._room
        self._counted_s = time.monotonic()
        self._stop = Event() if stop is None else stop
        self._backoff_s = backoff_s
        self._wait_max_s = wait_max_s
        self._not_before_s = 0.0

    def turn(self) -> None:
        """Wait until the next request may go, and count it.

        Raises:
            LimitedError: Dodo has said that it may not go for long.
            StoppedError: the end was asked for.
        """
        self._wait(self._not_before_s - time.monotonic())
        self._fill()
        self._wait((1.0 - self._left) / self._per_s)
        self._fill()
        self._left -= 1.0

    def heed(self, headers: Mapping[str, str]) -> None:
        """Let the next request wait where an answer says that no other is allowed yet."""
        if headers.get("x-ratelimit-remaining", "").strip() == "0":
            self._hold_back(_reset_s(headers))

    def failed(self, failures: int, headers: Mapping[str, str]) -> None:
        """Let the next request wait after the n-th failure in a row, counted from 1.

        What a Retry-After says goes first, then X-RateLimit-Reset, then our own back-off.
        """
        told_s = _retry_after_s(headers)
        if told_s is None and "x-ratelimit-remaining" in headers:
            told_s = _reset_s(headers)
        self._hold_back(spread_backoff_s(failures, *self._backoff_s) if told_s is None else told_s)

    def again_at(self) -> datetime:
        """When the next request may go, as far as Dodo or the back-off has said."""
        wait_s = max(0.0, self._not_before_s - time.monotonic())
        return datetime.now(UTC) + timedelta(seconds=min(wait_s, FAR_S))

    def _hold_back(self, wait_s: float | None) -> None:
        if wait_s is None:
            return
        self._not_before_s = max(self._not_before_s, time.monotonic() + wait_s)
        if wait_s >= WORTH_TELLING_S:
            _log.info("Dodo is asked again at %s", f"{self.again_at():%H:%M:%S} UTC")

    def _fill(self) -> None:
        now_s = time.monotonic()
        self._left = min(self._room, self._left + (now_s - self._counted_s) * self._per_s)
        self._counted_s = now_s

    def _wait(self, wait_s: float) -> None:
        if wait_s > self._wait_max_s:
            again_at = self.again_at()
            raise LimitedError(
                f"Dodo asks to wait until {again_at:%Y-%m-%d %H:%M:%S} UTC before it is asked"
                " again. What was read until now is kept: go on then",
                again_at,
            )
        if self._stop.wait(max(0.0, wait_s)):
            raise StoppedError("stopped, as was asked for")


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read a Retry-After: seconds, or a date of HTTP."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    seconds = _number(text)
    if seconds is not None:
        return seconds
    until = http_date(text)
    return None if until is None else _from_now_s(until.timestamp(), headers)


def _reset_s(headers: Mapping[str, str]) -> float | None:
    """Read X-RateLimit-Reset: seconds from now, or a time since 1970 in seconds or milliseconds."""
    reset = _number(headers.get("x-ratelimit-reset", "").strip())
    if reset is None or reset < EPOCH_MIN:
        return reset
    return _from_now_s(reset if reset < EPOCH_MIN * 1_000 else reset / 1_000, headers)


def _from_now_s(epoch_s: float, headers: Mapping[str, str]) -> float:
    """Tell how far a time is from now by the clock of who said it, which may not be ours."""
    now = http_date(headers.get("date", "")) or datetime.now(UTC)
    return max(0.0, epoch_s - now.timestamp())


def http_date(text: str) -> datetime | None:
    """Read a date of HTTP, which is in UTC; None where it is none."""
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)


def _number(text: str) -> float | None:
    """Read a number of seconds that can be waited for; None where it is none."""
    if not (text.isascii() and text.replace(".", "", 1).isdigit()) or len(text) > 20:
        return None
    return float(text)
