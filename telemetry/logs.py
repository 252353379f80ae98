"""Plain lines on stderr that hold no body, no secret and no e-mail address."""

from __future__ import annotations

import logging
import sys
import time
import traceback
from collections import defaultdict
from datetime import UTC, datetime
from typing import Final

import psycopg

FORMAT: Final = "%(asctime)s %(levelname)-7s {}%(message)s"
INTERVAL_S: Final = 1.0
CHATTY: Final = (
    *("aiohttp", "asyncio", "dodopayments", "eventsourcing", "httpcore", "httpx"),
    *("psycopg", "psycopg.pool"),
)
"""Libraries that log each of their steps, or each request with what was asked."""


class PlainFormatter(logging.Formatter):
    """Writes one line a record. Of an exception only its kind and its place are written.

    The text of an exception may quote a row or a body, so it stays out.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        return super().format(record).replace("\n", " ")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """Write a record's time, in UTC."""
        at = datetime.fromtimestamp(record.created, UTC)
        return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def formatException(self, ei: object) -> str:  # noqa: N802 -- the name in logging
        error = ei[1] if isinstance(ei, tuple) else None
        return where(error) if isinstance(error, BaseException) else ""


def where(error: BaseException) -> str:
    """Tell an exception's kind and where it was raised, without its text."""
    kind = type(error).__name__
    if isinstance(error, psycopg.Error) and error.sqlstate:
        kind = f"{kind} ({error.sqlstate})"
    frames = traceback.extract_tb(error.__traceback__)
    trail = " < ".join(f"{frame.filename}:{frame.lineno}" for frame in reversed(frames))
    cause = error.__cause__
    return f"{kind} at {trail}" + (f", because of {where(cause)}" if cause else "")


def set_up(level: int, name: str | None = None) -> None:
    """Send the logs of the whole process, from a level on, to stderr, with its name if it has one.

    Processes of one server share that stream.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PlainFormatter(FORMAT.format(f"{name}: " if name else "")))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # Below that level it repeats what `serve` logs itself, and logs each malformed request.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    logging.getLogger("uvicorn.access").disabled = True


class Throttle:
    """Logs a kind of line once a second at the most, and then says how many there were."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._next_at: dict[str, float] = {}
        self._held_back: dict[str, int] = defaultdict(int)

    def warning(self, line: str) -> None:
        """Log a line; the lines must be few in kind, since each kind is remembered."""
        now = time.monotonic()
        if now < self._next_at.get(line, 0.0):
            self._held_back[line] += 1
            return
        self._next_at[line] = now + INTERVAL_S
        more = self._held_back.pop(line, 0)
        self._logger.warning("%s%s", line, f" (and {more} times before)" if more else "")
