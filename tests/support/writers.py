"""A process that records deliveries: a number of them, in small batches, when told to begin."""

from __future__ import annotations

import random
import sys
from typing import IO, NamedTuple

import msgspec

from ledger import application
from ledger.application import Ledger
from tests.support import prepared
from tests.support.deliveries import receipts, renewals
from tests.support.waiting import GUARD_S

BATCH_MAX = 20


class Recorded(NamedTuple):
    """What a process says of one delivery."""

    webhook_id: str
    position: int
    duplicate: bool


class Plan(msgspec.Struct):
    """What a process does: its deliveries, by number, in an order that the seed gives."""

    conninfo: str
    seed: int
    first: int
    last: int
    streams: int


class WritingProcess:
    """One process with a ledger of its own; it waits for `begin`."""

    def __init__(self, plan: Plan) -> None:
        self._process = prepared.start(__name__, msgspec.json.encode(plan) + b"\n")

    def wait_until_ready(self) -> None:
        """Return when the process has its connection."""
        assert _open(self._process.stdout).readline() == b"ready\n"

    def begin(self) -> None:
        """Let it record."""
        _open(self._process.stdin).write(b"begin\n")

    def result(self) -> list[Recorded]:
        """Wait for the end of the process, and return its receipts.

        Raises:
            AssertionError: it failed.
        """
        out = _open(self._process.stdout).read()
        assert self._process.wait() == 0
        return msgspec.json.decode(out, type=list[Recorded])

    def kill(self) -> None:
        """End it, if it still runs."""
        with self._process:
            self._process.kill()


def _open(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


def _record(ledger: Ledger, plan: Plan) -> list[Recorded]:
    order = random.Random(plan.seed)
    deliveries = renewals(range(plan.first, plan.last), streams=plan.streams)
    order.shuffle(deliveries)
    recorded: list[Recorded] = []
    while deliveries:
        size = order.randint(1, BATCH_MAX)
        batch, deliveries = deliveries[:size], deliveries[size:]
        answers = receipts(ledger.record(batch))
        recorded += [
            Recorded(d.webhook_id, *answer) for d, answer in zip(batch, answers, strict=True)
        ]
    return recorded


def main() -> int:
    """Record as the plan on standard input says, when told to, and print the receipts."""
    plan = msgspec.json.decode(sys.stdin.readline(), type=Plan)
    for limit in ("BATCH_S", "PATIENCE_S"):  # nobody waits, and the others are quicker for long
        setattr(application, limit, GUARD_S)
    with Ledger(plan.conninfo) as ledger:
        ledger.check()
        print("ready", flush=True)
        sys.stdin.readline()
        sys.stdout.buffer.write(msgspec.json.encode(_record(ledger, plan)))
    return 0
