"""A stand-in for Dodo's API over real HTTP: the simulated merchant's, and all that goes wrong."""

from __future__ import annotations

import re
from collections import deque
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec

from dodo.client import Dodo
from dodo.pace import Pace
from simulator import merchant
from simulator.dodo_api import RateLimit, SimulatedDodo, serving
from simulator.dodo_api.asking import Asked, Refusal, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from simulator import Occurrence

    Fault = Callable[[Reply], Reply]

KEY: Final = "key-that-tests-know"
PRESENT: Final = datetime(2026, 10, 1, tzinfo=UTC)
PROMPT: Final = (0.001, 0.002)
"""A back-off that tests need not wait for."""


class DodoStandIn(SimulatedDodo):
    """What it is asked, it remembers; `faults` happen to the next answers, one to each.

    `between` are changes, of which one is made after each page of a list. All of it happens in the
    server's thread, or before somebody asks.
    """

    url: str = ""

    def __init__(
        self,
        occurrences: Sequence[Occurrence],
        *,
        at: datetime = PRESENT,
        limit: RateLimit | None = None,
        deleted_entitlements: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(
            occurrences,
            at=at,
            api_key=KEY,
            limit=limit,
            deleted_entitlements=deleted_entitlements,
        )
        self.asked: list[Asked] = []
        self.faults: deque[Fault] = deque()
        self.between: deque[Callable[[], None]] = deque()
        self.forbidden: set[str] = set()
        self.broken: dict[str, Fault] = {}

    @property
    def paths(self) -> list[str]:
        """What was asked for, in order."""
        return [asked.path for asked in self.asked]

    def reply(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        reply = super().reply(asked)
        if self.between and "page_number" in asked.query:
            self.between.popleft()()
        for pattern, fault in self.broken.items():
            if re.fullmatch(pattern, asked.path):
                return fault(reply)
        return self.faults.popleft()(reply) if self.faults else reply

    def answer(self, asked: Asked) -> dict[str, object]:
        if asked.path in self.forbidden:
            raise Refusal(403, "FORBIDDEN")
        return super().answer(asked)

    def remove(self, kind: str, id_: str) -> None:
        """Let Dodo have something no longer."""
        del self._business._histories[kind, id_]
        self._stood = None

    def insert(self, occurrence: Occurrence) -> None:
        """Let Dodo have something more: what a webhook is about."""
        self._business._take(occurrence)
        self._stood = None


def limited(retry_after: str | None = None, **headers: str) -> Fault:
    """Say that there were too many requests."""
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    if retry_after is not None:
        told["retry-after"] = retry_after
    body = msgspec.json.encode({"code": "TOO_MANY_REQUESTS", "message": "Slow down"})
    return lambda reply: Reply(429, body, {**reply.headers, **told})


def saying(status: int, body: bytes = b"", **headers: str) -> Fault:
    """Say something else."""
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda reply: Reply(status, body, {**reply.headers, **told})


def slow(delay_s: float) -> Fault:
    """Take time."""
    return lambda reply: msgspec.structs.replace(reply, delay_s=delay_s)


def cut(reply: Reply) -> Reply:
    """Break off within the body."""
    return msgspec.structs.replace(reply, body=reply.body[: len(reply.body) // 2])


@contextmanager
def standing_in(
    occurrences: Sequence[Occurrence] | None = None,
    *,
    at: datetime = PRESENT,
    limit: RateLimit | None = None,
    deleted_entitlements: frozenset[str] = frozenset(),
) -> Iterator[DodoStandIn]:
    """Serve a merchant's API on a free port, until the block ends."""
    if occurrences is None:
        occurrences = merchant(1, customers=12, until=PRESENT)
    dodo = DodoStandIn(occurrences, at=at, limit=limit, deleted_entitlements=deleted_entitlements)
    with serving(dodo) as url:
        dodo.url = url
        yield dodo


def asking(stand_in: DodoStandIn, key: str = KEY, pace: Pace | None = None) -> Dodo:
    """A client of it, which does not wait long."""
    patient = pace or Pace(60_000, attempts_max=4, backoff_s=PROMPT)
    return Dodo(key, "test_mode", base_url=stand_in.url, pace=patient)
