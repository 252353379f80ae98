"""What comes of looks: compared with what is known, and recorded unless that is not wanted."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from eventsourcing.persistence import PersistenceError

from dodo.errors import UnreadableAnswerError
from domain.delivery import UnreadableError
from ledger.application import reason
from telemetry.errors import RaphusError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from domain.comparison import Comparison
    from domain.look import Look
    from ledger.application import Ledger


class UnrecordedError(RaphusError):
    """What Dodo said is not known to be recorded; it is read again when one goes on."""


class Observer:
    """Compares looks with what is known; records those that say something else, or only tells."""

    def __init__(self, ledger: Ledger, *, records: bool = True) -> None:
        self._ledger = ledger
        self.records = records

    def compare(self, looks: Sequence[Look]) -> list[Comparison]:
        """Compare, and record nothing.

        Raises:
            UnreadableAnswerError: a look does not name its thing.
            UnrecordedError: what is known cannot be read.
        """
        with _told(looks):
            return self._ledger.compare(looks)

    def observe(self, looks: Sequence[Look]) -> list[Comparison]:
        """Compare, and record what is not known yet.

        Raises:
            UnreadableAnswerError: a look does not name its thing; none is recorded.
            UnrecordedError: one of them is not known to be recorded.
        """
        if not self.records:
            return self.compare(looks)
        with _told(looks):
            observed = self._ledger.observe(looks)
            for one in observed:
                if isinstance(one.recording, PersistenceError):
                    raise one.recording
        return [one.comparison for one in observed]

    def observe_parts(self, looks: Sequence[Look]) -> None:
        """Record what looks at parts of things, as the entries of ledgers are, say that is new.

        However many they are, it takes as long as to look at the things a few times.

        Raises:
            UnreadableAnswerError: a look does not name its thing; none is recorded.
            UnrecordedError: one of them is not known to be recorded.
        """
        with _told(looks):
            self._ledger.observe_parts(looks)


@contextmanager
def _told(looks: Sequence[Look]) -> Iterator[None]:
    """Say in words for a person what may be expected to go wrong."""
    try:
        yield
    except UnreadableError as error:
        raise UnreadableAnswerError(f"{looks[0].endpoint}: {error}") from error
    except PersistenceError as error:
        raise UnrecordedError(f"the log cannot be written: {reason(error)}") from error
