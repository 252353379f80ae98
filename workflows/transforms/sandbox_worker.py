"""The process that the merchant's own code runs in, one call after the other."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from telemetry.concealment import conceal, renounce
from workflows.transforms.sandbox_protocol import (
    ARGUMENTS_BYTES_MAX,
    DEADLINE_S,
    Answer,
    Call,
    CallError,
    oversize,
)

if sys.platform != "win32":
    import resource

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from workflows.transforms.custom_code import Language

_MIB: Final = 1024 * 1024
# JavaScript gets nothing to reach out with, in case it should ever break out of its engine.
# Python is the merchant's own: it is kept from taking the whole machine's memory.
LIMITS: Final[dict[Language, dict[str, int]]] = {
    "javascript": {
        "RLIMIT_CORE": 0,
        "RLIMIT_AS": 1024 * _MIB,
        "RLIMIT_NPROC": 0,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_NOFILE": 16,
    },
    "python": {"RLIMIT_CORE": 0, "RLIMIT_AS": 4096 * _MIB},
}


def main() -> int:
    """Answer the calls that standard input brings, until it ends."""
    language: Language = "python" if sys.argv[1] == "python" else "javascript"
    run = _runner(language)
    conceal()  # else what a call leaves running could read the ids of later ones
    renounce()
    calls, answers = _pipes()
    # A service manager sends SIGTERM to every process of the server. The call at hand is answered
    # first: this process ends when its standard input does, or the server kills it.
    signal.signal(signal.SIGTERM, lambda *_: None)
    _limit(language)
    _write(answers, Answer())
    for line in calls:
        _alarm(2 * DEADLINE_S)
        call = msgspec.json.decode(line, type=Call)
        answer = _answer(run, call)
        answer.id = call.id
        _write(answers, answer)
        _alarm(0)
        if answer.is_last:
            break
    return 0


def _runner(language: Language) -> Callable[[Call], bytes | None]:
    # Not both: Python has no use for the engine, nor for the thread that comes with it.
    if language == "python":
        from workflows.transforms.python import run  # noqa: PLC0415

        return run
    from workflows.transforms.javascript import run as run_javascript  # noqa: PLC0415

    return run_javascript


def _pipes() -> tuple[BinaryIO, BinaryIO]:
    """Take standard input and output for the calls, and leave nothing in their place.

    What the merchant's code prints, or reads, then disturbs no call.
    """
    calls, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for taken in (0, 1, 2):
        os.dup2(nothing, taken)
    os.close(nothing)
    return os.fdopen(calls, "rb"), os.fdopen(answers, "wb")


def _limit(language: Language) -> None:
    if sys.platform != "win32":
        for name, wanted in LIMITS[language].items():
            number = getattr(resource, name)
            _, most = resource.getrlimit(number)
            limit = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
            with suppress(ValueError, OSError):  # macOS does not know every limit
                resource.setrlimit(number, (limit, limit))


def _alarm(seconds: float) -> None:
    """End this process after so many seconds: the server, which would have ended it, is gone."""
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _answer(run: Callable[[Call], bytes | None], call: Call) -> Answer:
    try:
        arguments = run(call)
    except CallError as error:
        return Answer(problem=str(error))
    except MemoryError:
        # What is left of it would be in the way of the next call.
        return Answer(problem=f"{call.file}: it took more memory than it may", is_last=True)
    if arguments is None:
        return Answer(is_cancelled=True)
    if len(arguments) > ARGUMENTS_BYTES_MAX:
        return Answer(problem=f"{call.file}: {oversize(len(arguments))}")
    return Answer(arguments=msgspec.Raw(arguments))


def _write(answers: BinaryIO, answer: Answer) -> None:
    answers.write(msgspec.json.encode(answer) + b"\n")
    answers.flush()


if __name__ == "__main__":
    sys.exit(main())
