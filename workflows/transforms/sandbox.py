"""A process for the merchant's own code, started when asked, ended when it hangs."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
from asyncio.subprocess import PIPE
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from telemetry import child
from workflows.transforms.sandbox_protocol import DEADLINE_S, LINE_BYTES_MAX, Answer

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Mapping

    from workflows.transforms.custom_code import Language
    from workflows.transforms.sandbox_protocol import Call

START_S: Final = 60.0
_PROGRAM: Final = "workflows.transforms.sandbox_worker"
END_S: Final = 5.0
_ID_BYTES: Final = 16
# All that a Python needs to be found and to speak; the rest may be secret.
_ENVIRONMENT: Final = (
    "PATH LANG LC_ALL LC_CTYPE TZ TMPDIR TEMP TMP SYSTEMROOT PYTHONPATH PYTHONHOME".split()
)
_decode: Final = msgspec.json.Decoder(Answer).decode


class SandboxError(Exception):
    """A sandbox could not answer, through no fault of the code that was to run in it."""


class _DisturbedError(Exception):
    """What a process says is no answer to the call that it was asked."""


class Sandbox:
    """A process that runs code of one language, a call at a time; others wait their turn.

    The code gets none of this process's environment but what Python itself needs.
    """

    def __init__(self, language: Language, deadline_s: float = DEADLINE_S) -> None:
        self._language = language
        self._deadline_s = deadline_s
        self._process: Process | None = None
        self._is_closed = False
        self._turn = asyncio.Lock()

    @property
    def process_id(self) -> int | None:
        """The process's id, None where none runs."""
        return self._process.pid if self._process else None

    async def answer(self, call: Call) -> Answer:
        """Let a call be answered. A process that hangs or dies over it is an answer too.

        One that says what is no answer to this call is ended. If it has answered others, one of
        those may have left that, and the call is made once more, in a new process.

        Raises:
            SandboxError: the process cannot be started, or was closed before there was an answer.
        """
        async with self._turn:
            is_first = self._process is None
            try:
                return await self._once(call)
            except _DisturbedError:
                if not is_first:
                    with suppress(_DisturbedError):
                        return await self._once(call)
            return Answer(problem=f"{call.file}: it disturbs what its process says", is_last=True)

    async def close(self) -> None:
        """End the process, also in the middle of a call; nothing is answered any more."""
        self._is_closed = True
        if self._process is not None and self._process.returncode is None:
            _kill(self._process)
        async with self._turn:
            await self._end()

    async def _once(self, call: Call) -> Answer:
        process = await self._running()
        answer = Answer(is_last=True)
        try:
            answer = await self._answer(process, call)
        finally:
            if answer.is_last:
                await self._end()
        if self._is_closed:
            raise SandboxError("the sandbox is closed")
        return answer

    async def _answer(self, process: Process, call: Call) -> Answer:
        try:
            async with asyncio.timeout(self._deadline_s):
                return await _exchange(process, call)
        except TimeoutError:
            problem = f"it took more than {self._deadline_s:g} s"
        except (asyncio.LimitOverrunError, msgspec.DecodeError) as error:
            raise _DisturbedError from error
        except (EOFError, OSError):
            problem = f"the process that it ran in ended with {await _ending(process)}"
        return Answer(problem=f"{call.file}: {problem}", is_last=True)

    async def _running(self) -> Process:
        if self._process is not None and self._process.returncode is not None:
            await self._end()
        if self._process is None and not self._is_closed:
            self._process = await self._start()
        if self._process is None or self._is_closed:
            await self._end()
            raise SandboxError("the sandbox is closed")
        return self._process

    async def _start(self) -> Process:
        try:
            process = await asyncio.create_subprocess_exec(
                *child.command(_PROGRAM, self._language),
                stdin=PIPE,
                stdout=PIPE,
                limit=LINE_BYTES_MAX,
                env=_kept(os.environ),
                start_new_session=True,  # Ctrl-C is for us, who end it with all it has started
            )
        except OSError as error:
            raise SandboxError(f"a sandbox cannot be started: {error.strerror}") from error
        is_ready = False
        try:
            async with asyncio.timeout(START_S):
                await _line(process)
            is_ready = True
        except (EOFError, TimeoutError, asyncio.LimitOverrunError) as error:
            raise SandboxError("a sandbox does not start; its own output tells why") from error
        finally:
            if not is_ready:
                await _end(process)
        return process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            await _end(process)


async def _exchange(process: Process, call: Call) -> Answer:
    call = msgspec.structs.replace(call, id=secrets.token_hex(_ID_BYTES))
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(call) + b"\n")
    await process.stdin.drain()
    answer = _decode(await _line(process))
    if not secrets.compare_digest(answer.id.encode(), call.id.encode()):
        raise _DisturbedError
    return answer


async def _line(process: Process) -> bytes:
    assert process.stdout is not None
    return await process.stdout.readuntil()


async def _ending(process: Process) -> str:
    """Tell how a process ended, which no longer answers."""
    with suppress(TimeoutError):
        async with asyncio.timeout(END_S):
            await process.wait()
    _kill(process)  # what it has started outlives it otherwise
    code = process.returncode
    if code is None:
        return "its output"
    names = {-known: known.name for known in signal.Signals}
    return names.get(code, f"exit code {code}")


async def _end(process: Process) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    if process.returncode is None:  # else its id may be another's by now
        _kill(process)
    process.stdin.close()
    with suppress(TimeoutError):
        async with asyncio.timeout(END_S):
            await process.wait()
            # To its end: only then is nothing of the pipe left for the loop to close.
            await process.stdout.read()


def _kill(process: Process) -> None:
    with suppress(ProcessLookupError, PermissionError):  # nothing of it is left
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)


def _kept(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: environ[name] for name in _ENVIRONMENT if name in environ}
