"""What is wrong for a while is logged when it begins and when it ends, not between."""

from __future__ import annotations

import logging


class Incident:
    """What is wrong with something, as a person may read it; nothing at first.

    `subject` says what is not as it should be: "the outbox does not follow the log".
    """

    def __init__(self, logger: logging.Logger, subject: str, level: int = logging.WARNING) -> None:
        self._logger = logger
        self._subject = subject
        self._level = level
        self.problem: str | None = None
        """Why it is so; None while it is not."""

    def begin(self, problem: str) -> None:
        """Log what is wrong, unless that was logged last."""
        if problem != self.problem:
            self.problem = problem
            self._logger.log(self._level, "%s: %s", self._subject, problem)

    def end(self) -> None:
        """Log that it is over, if anything was wrong."""
        if self.problem is not None:
            self.problem = None
            self._logger.info("%s: that is over", self._subject)
