"""One request that was to start a job, and what its answer means for the job."""

from __future__ import annotations

from datetime import datetime
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

BAD_REQUEST: Final = "Bad request: "
"""Begins what Windmill says of a mistake of ours. 400 is also how it answers when its own database
fails, in other words."""
_NOT_ABOUT_THE_JOB: Final[Mapping[str, str]] = {
    "Quota exceeded: ": "a limit of its plan is reached",
    f"{BAD_REQUEST}License key is not valid": "its licence is not valid",
    f"{BAD_REQUEST}Required scope: ": "the token lacks a scope",
    f"{BAD_REQUEST}missing required scope: ": "the token lacks a scope",
}
"""How a 400 begins that each job would get, and what it means. Windmill says it before it looks at
the job: windmill-queue/src/jobs.rs `push`, windmill-api/src/jobs.rs `check_license_key_valid`, and
`check_scopes`, which in newer versions answers 401 or 403."""
_TOKEN: Final[Mapping[int | None, str]] = {
    401: "it does not know the token",
    403: "the token may not do that",
}


class Meaning(Enum):
    """What an attempt means for the job that it was to start."""

    STARTED = auto()
    """It is started, by this attempt or an earlier one."""
    REFUSED = auto()
    """It can never be started like this."""
    FAILED = auto()
    """It may be started later; how often it is tried counts."""
    AWAY = auto()
    """Windmill is down, busy or does not know us: it is not about this job."""


class Attempt(NamedTuple):
    """One request that was to start a job, and what came of it. `status` None: no answer."""

    attempted_at: datetime
    took_ms: int
    status: int | None
    answer: str
    meaning: Meaning
    retry_after_s: float | None = None

    @property
    def told(self) -> str:
        """What came of it, without the answer's own words, as a log may have it."""
        if self.status is None:
            return self.answer
        why = not_about_the_job(self.answer) if self.status == 400 else _TOKEN.get(self.status)
        return f"it answers {self.status}{f': {why}' if why else ''}"

    @property
    def problem(self) -> str:
        """What came of it, in Windmill's words."""
        return f"Windmill answered {self.status}: {self.answer}" if self.status else self.answer


def not_about_the_job(text: str) -> str | None:
    """Return what a 400 means that every job would get; None where it may be about the job."""
    told = _NOT_ABOUT_THE_JOB.items()
    return next((words for beginning, words in told if text.startswith(beginning)), None)
