"""Child processes of this program, which read their task from standard input.

`ends_with_its_parent` and `say` are for the child itself.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_STDIN: Final = 0


def command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of this program with this interpreter."""
    # -P: without the working directory on its path, from which anything might be imported.
    return [sys.executable, "-P", "-m", module, *arguments]


def start(
    module: str,
    task: bytes,
    *,
    environ: Mapping[str, str] | None = None,
    stdout: int | None = None,
    files: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a module, and write its task to its standard input, which stays open.

    Arguments could be read by everybody on the machine, and a task may hold secrets. A child
    that has ended before it read its task is returned like any other; its exit status says so.
    It inherits the standard streams and `files`, under their numbers, and no other file.

    Raises:
        OSError: it cannot be started.
    """
    process = subprocess.Popen(
        command(module),
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=stdout,
        env=environ,
        pass_fds=files,
        process_group=0,  # Ctrl-C in the terminal is for this process, which ends the child
    )
    with suppress(BrokenPipeError):
        opened(process.stdin).write(task)
    return process


def opened(pipe: IO[bytes] | None) -> IO[bytes]:
    """Return an end of a pipe that was asked for."""
    assert pipe is not None
    return pipe


def end(process: subprocess.Popen[bytes], timeout_s: float) -> None:
    """Tell a child that reads its standard input to end, and kill it where it does not in time."""
    opened(process.stdin).close()
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def ends_with_its_parent(tell: Callable[[], object], within_s: float) -> None:
    """Call `tell`, in a thread, once the parent closes standard input, or ends however it does.

    It may take so long to end in order then; after that the process ends all the same.
    """
    arguments = (tell, within_s)
    threading.Thread(target=_wait_for_the_end, args=arguments, name="lifeline", daemon=True).start()


def _wait_for_the_end(tell: Callable[[], object], within_s: float) -> None:
    # Not by its buffer: that would be locked when the interpreter ends.
    while os.read(_STDIN, 4_096):
        pass
    tell()
    time.sleep(within_s)
    os._exit(1)


def say(line: str) -> None:
    """Write a line to standard output at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
