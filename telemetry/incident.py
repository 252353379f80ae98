"""Trouble: what is wrong for a while is logged when it begins and when it ends, not in between."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging


class Trouble:
    """What is wrong with something, as a person may read it; nothing at first."""

    def __init__(self, logger: logging.Logger, subject: str) -> None:
        self._logger = logger
        self._subject = subject
        self._is: str | None = None

    def begin(self, what: str) -> None:
        """Log what is wrong, unless that has been said last."""
        if what != self._is:
            self._is = what
            self._logger.warning("%s: %s", self._subject, what)

    def end(self) -> None:
        """Log that it is over, if anything was wrong."""
        if self._is is not None:
            self._is = None
            self._logger.info("%s: that is over", self._subject)
