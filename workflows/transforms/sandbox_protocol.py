"""What the server and a sandbox say to each other, a line of JSON each way; limits."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

ARGUMENTS_BYTES_MAX: Final = 1024 * 1024
"""Of a job's arguments, as JSON."""
LINE_BYTES_MAX: Final = 4 * ARGUMENTS_BYTES_MAX
"""Of an answer: the arguments and what stands around them."""
DEADLINE_S: Final = 10.0
"""How long a call may take before the sandbox is ended."""
NOTHING: Final = msgspec.Raw(b"null")


class Call(msgspec.Struct):
    """A function in a file, to be called with one argument; the sandbox gives it an `id`."""

    path: str
    function: str
    argument: msgspec.Raw
    id: str = ""

    @property
    def file(self) -> str:
        """The file's name, as problems speak of it."""
        return Path(self.path).name


class Answer(msgspec.Struct, omit_defaults=True):
    """What came of a call: the job's arguments, or that none is to be started, or a problem.

    `id` is that of the call: nobody can guess it, so that what writes where answers are expected
    answers no other call. `is_last` tells that the sandbox ends itself after this answer.
    """

    arguments: msgspec.Raw = NOTHING
    is_cancelled: bool = False
    problem: str = ""
    is_last: bool = False
    id: str = ""


class CallError(Exception):
    """A call has no result; the message tells the merchant the file, the line, and why."""


def oversize(size_bytes: int) -> str:
    """Say that arguments are too large."""
    return f"the arguments are {size_bytes} bytes of JSON; at most {ARGUMENTS_BYTES_MAX} are sent"
