"""One request that was to deliver an event, and what its answer means."""

from __future__ import annotations

from datetime import datetime
from enum import Enum, auto
from typing import Final, NamedTuple, Self

NOTHING_SENT: Final = "nothing sent"
"""Begins the `answer` of an attempt whose request did not go out."""
ANSWER_CHARS_MAX: Final = 500


class Meaning(Enum):
    """What an attempt means for what it was to deliver."""

    STARTED = auto()
    """The target has begun with it, by this attempt or an earlier one, and is asked how it ends."""
    DELIVERED = auto()
    """The target has it, and there is no more to be told."""
    REFUSED = auto()
    """It can never be delivered like this."""
    FAILED = auto()
    """It may be delivered later; how often it is tried counts."""
    AWAY = auto()
    """The target is down, busy or does not know us: it is not about this delivery."""
    GONE = auto()
    """The target wants nothing any more, neither this nor what follows."""


class Attempt(NamedTuple):
    """One request, and what came of it. `status` None: no answer.

    `told` is what came of it without the answer's own words, as a log may have it; `problem` in
    the answer's words, for people, and empty where there is none.
    """

    attempted_at: datetime
    took_ms: int
    status: int | None
    answer: str
    meaning: Meaning
    told: str = ""
    problem: str = ""
    retry_after_s: float | None = None

    @classmethod
    def unanswered(cls, at: datetime, took_ms: int, why: str, meaning: Meaning) -> Self:
        """Return one to which there was no answer, or which was not made."""
        return cls(at, took_ms, None, why, meaning, why, why)
