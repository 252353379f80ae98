"""What every kind of target has in common: how it is declared, reached and sent to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path
    from uuid import UUID

    from workflows.limits import Limits
    from workflows.targets.attempt import Attempt
    from workflows.targets.surroundings import Surroundings

Reader: TypeAlias = Callable[[object], Any]
"""Reads the value of a key; raises ValueError with what it must be, and quotes no secret."""
Readers: TypeAlias = Mapping[str, Reader]


class TargetError(ValueError):
    """A target cannot be reached as things are; the message tells what is missing."""


class NoAnswerError(Exception):
    """It is not there, or what it sends is no answer; the message quotes no secret."""


class OutcomeError(Exception):
    """It cannot be told how something has ended; the message tells why."""


class OversizeError(OutcomeError):
    """Something has ended with a result that is too large to be read."""


class Parcel(NamedTuple):
    """What is sent for an event: each time under the same ids, however often it is tried."""

    job_id: UUID
    webhook_id: str
    content: bytes
    replay: int = 0


class Outcome(NamedTuple):
    """What became of a job that has ended; `problem` is the target's word for a failure."""

    succeeded: bool
    problem: str | None


class Target(Protocol):
    """Where a route sends, as it is declared; two that are declared alike are equal."""

    @property
    def kind(self) -> str:
        """The name of its kind."""

    @property
    def shown(self) -> str:
        """The target as it may be printed."""

    def content(self, made: bytes, fixed: Mapping[str, object], replay: int) -> bytes:
        """Return what is sent: what a transformation gave, with a route's fixed arguments.

        Raises:
            NotAnObjectError: a transformation gave no JSON object where one is needed.
        """


class Way(ABC):
    """A target within reach, for one route.

    `called` is what messages call it. At most so many things are sent at once as `slots` has.
    `pauses_s` follow each failure that counts, and after the last it is given up; None leaves
    that to the limits. `takes_once` tells that it refuses an id that it knows, and may forget it.
    """

    called: ClassVar[str]
    takes_once: ClassVar[bool] = False
    slots: asyncio.Semaphore
    pauses_s: Sequence[float] | None = None

    @abstractmethod
    async def send(self, parcel: Parcel) -> Attempt:
        """Send once; whatever comes of it is returned."""

    async def outcome(self, job_id: UUID) -> Outcome | None:
        """Ask how what it has begun with has ended; None while it has not, or it does not tell.

        Raises:
            NoAnswerError: there was no answer that says it.
            OutcomeError: it is not told.
        """
        return None

    async def knows(self, job_id: UUID) -> bool:
        """Tell whether it knows an id, where it takes each once.

        Raises:
            NoAnswerError: there was no answer that says it.
        """
        return False


T = TypeVar("T", bound=Target)


class Sender(ABC, Generic[T]):
    """Reaches the targets of one kind, over connections that it keeps open."""

    @abstractmethod
    def way(self, route: str, target: T) -> Way:
        """Return the way to a route's target.

        Raises:
            TargetError: it cannot be reached as things are.
        """

    @abstractmethod
    async def close(self) -> None:
        """Close the connections."""


@dataclass(frozen=True)
class Kind(Generic[T]):
    """A kind of target.

    `keys` name a target: a route has one of them, and one only. `details` are keys that may stand
    beside it. Both are given the folder of the file of routes. `declared` makes the target of
    the key, its value, and the details that were given; it raises ValueError where they do not
    fit together. `sender` is called within the loop that sends.
    """

    name: str
    keys: Callable[[Path], Readers]
    details: Callable[[Path], Readers]
    declared: Callable[[Any, Mapping[str, Any]], T]
    sender: Callable[[Surroundings, Limits], Sender[T]]
