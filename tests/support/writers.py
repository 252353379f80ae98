"""A process that records deliveries: a number of them, in small batches, when told to begin."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import IO, TYPE_CHECKING, NamedTuple

import msgspec

from ledger import application
from ledger.application import Ledger
from tests.support.deliveries import receipts, renewals
from tests.support.samples import PROJECT
from tests.support.waiting import GUARD_S

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        command = [sys.executable, "-m", __name__, msgspec.json.encode(plan).decode()]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=PROJECT)

    def wait_until_ready(self) -> None:
        """Return when the process has its connection."""
        assert _open(self._process.stdout).readline() == b"ready\n"

    def begin(self) -> None:
        """Let it record."""
        _open(self._process.stdin).write(b"begin\n")
        _open(self._process.stdin).flush()

    def result(self) -> list[Recorded]:
        """Wait for the end of the process, and return its receipts.

        Raises:
            AssertionError: it failed.
        """
        out, _ = self._process.communicate()
        assert self._process.returncode == 0
        return msgspec.json.decode(out, type=list[Recorded])

    def kill(self) -> None:
        """End it, if it still runs."""
        self._process.kill()
        self._process.communicate()


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


def main(arguments: Sequence[str]) -> None:
    """Record as the plan in the first argument says, and print the receipts."""
    plan = msgspec.json.decode(arguments[0], type=Plan)
    for limit in ("BATCH_S", "PATIENCE_S"):  # nobody waits, and the others are quicker for long
        setattr(application, limit, GUARD_S)
    with Ledger(plan.conninfo) as ledger:
        print("ready", flush=True)
        sys.stdin.readline()
        sys.stdout.buffer.write(msgspec.json.encode(_record(ledger, plan)))


if __name__ == "__main__":
    main(sys.argv[1:])
