"""What keeps Dodo's API from being read; each message says what to do, and none quotes the key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.errors import RaphusError

if TYPE_CHECKING:
    from datetime import datetime


class DodoError(RaphusError):
    """Dodo's API was not read."""


class KeyRefusedError(DodoError):
    """Dodo does not take the key: it is wrong, revoked, or one of the other mode.

    Dodo answers 401 to all of them: its keys do not say of which mode they are (pull request 277
    of dodopayments-typescript). Asking the other mode would send a secret where nobody asked.
    """

    exit_code = 2


class ForbiddenError(DodoError):
    """The key is taken, and may not read what was asked."""

    exit_code = 2


class RefusedError(DodoError):
    """Dodo takes the key, but not the question: a parameter, or a page that is too far."""


class GoneError(DodoError):
    """A list belongs to something that Dodo no longer has."""


class UnreadableAnswerError(DodoError):
    """What came is not what Dodo's API answers, and so nothing of it is taken."""


class LimitedError(DodoError):
    """Dodo asks to wait for longer than is waited here; it may be asked again at `again_at`."""

    def __init__(self, message: str, again_at: datetime) -> None:
        super().__init__(message)
        self.again_at = again_at


class DodoAwayError(DodoError):
    """Dodo gave no answer in any of the attempts, or only that something is wrong with it."""


class StoppedError(DodoError):
    """Somebody who waits for the end has asked for it; nothing is wrong."""
