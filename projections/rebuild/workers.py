"""Child processes, a core each, that fold the log into staged tables."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from contextlib import ExitStack
from selectors import EVENT_READ, DefaultSelector
from typing import TYPE_CHECKING, Final, cast

import msgspec
from psycopg.sql import SQL, Literal

from projections.read_models.catalogue import READ_MODELS
from projections.rebuild.staging import Staging
from telemetry import child
from telemetry.concealment import conceal
from telemetry.redaction import origin_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CORES_MAX: Final = 4
PART_EVENTS_MIN: Final = 2_000
"""For fewer events it does not pay to start another process."""


class FoldingError(Exception):
    """A process that folds the log has failed; the message tells at which line of which file."""


class Part(msgspec.Struct):
    """What a process is to do: the n-th of so many parts of the log up to a position."""

    conninfo: str
    schema: str
    tables: list[str]
    until: int
    number: int
    parts: int


def cores() -> int:
    """Return how many processes, or connections, do the work of a rebuild at once, at the most."""
    return min(os.cpu_count() or 1, CORES_MAX)


def fold_in_parts(conninfo: str, staging: Staging, until: int) -> Iterator[int]:
    """Fold the log up to a position into the staged tables, with a process a core.

    Yields how many events have been folded since it last did. When it is closed, or fails, no
    process is left.

    Raises:
        FoldingError: a process has failed, or was killed.
    """
    parts = max(1, min(cores(), until // PART_EVENTS_MIN))
    tables = [model.table for model in staging.models]
    with ExitStack() as stack:
        yield from _reports(
            [
                _start(stack, Part(conninfo, staging.schema, tables, until, number, parts))
                for number in range(parts)
            ]
        )


def _start(stack: ExitStack, part: Part) -> subprocess.Popen[bytes]:
    process = child.start(__name__, msgspec.json.encode(part), stdout=subprocess.PIPE)
    stack.enter_context(process)
    stack.callback(process.kill)
    child.opened(process.stdin).close()
    process.stdin = None
    return process


def _reports(processes: Sequence[subprocess.Popen[bytes]]) -> Iterator[int]:
    with DefaultSelector() as selector:
        for process in processes:
            selector.register(child.opened(process.stdout), EVENT_READ, process)
        while selector.get_map():
            for key, _ in selector.select():
                process = cast("subprocess.Popen[bytes]", key.data)
                line = child.opened(process.stdout).readline().decode()
                if line.strip().isdigit():
                    yield int(line)
                    continue
                selector.unregister(key.fileobj)
                if process.wait() != 0:
                    reason = line.strip() or f"it ended with {process.returncode}"
                    raise FoldingError(f"a process that folds the log has failed: {reason}")


def main() -> int:
    """Fold the part that standard input describes, reporting every few thousand events."""
    conceal()  # before it reads how to reach the database
    # Folding makes millions of small objects, and no cycles.
    gc.disable()
    part = msgspec.json.decode(sys.stdin.buffer.read(), type=Part)
    models = [model for model in READ_MODELS if model.table in part.tables]
    condition = SQL("notification_id <= {}").format(Literal(part.until))
    staging = Staging(part.schema, models)
    try:
        staging.load(part.conninfo, condition, (part.number, part.parts), _tell)
    except BrokenPipeError:  # the rebuild has ended; what was written is not committed
        return 1
    except Exception as error:  # noqa: BLE001 -- reported to the rebuild
        child.say(origin_of(error))
        return 1
    return 0


def _tell(events: int) -> None:
    child.say(str(events))


if __name__ == "__main__":
    sys.exit(main())
