"""The stand-in in a thread or in a process of its own, and what tests do with it."""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
import sys
from concurrent.futures import Future
from threading import Thread
from typing import TYPE_CHECKING, ClassVar, Final, Self

import httpx
import msgspec

from tests.support.samples import PROJECT
from tests.support.windmill_stand_in.endpoint import Endpoint
from tests.support.windmill_stand_in.model import TOKEN, WORKSPACE, Fault, Job, Request
from tests.support.windmill_stand_in.windmill import Windmill

if TYPE_CHECKING:
    from collections.abc import Callable

_NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_GUARD_S: Final = 60.0


async def stand_in(
    windmill: Windmill, announce: Callable[[tuple[str, str]], object], lifeline: int
) -> None:
    """Stand in until a file descriptor ends; announce the public and the control address."""
    await windmill.door.open()
    await windmill.control.open()
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(lifeline, ended.set)
    announce((windmill.door.url, windmill.control.url))
    await ended.wait()
    loop.remove_reader(lifeline)
    windmill.door.shut()
    windmill.control.shut()


class StandIn:
    """The stand-in in a thread. It begins to behave as the keywords say, fields of `Behaviour`."""

    stands_in: ClassVar[type[Windmill]] = Windmill

    def __init__(self, *, tls: ssl.SSLContext | None = None, **behaviour: object) -> None:
        self._tls = tls
        self._behaviour = behaviour
        self.url = ""
        """The address that a Windmill would have."""

    def __enter__(self) -> Self:
        self.url, control = self._start()
        self._client = httpx.Client(
            base_url=control, timeout=_GUARD_S, trust_env=False, verify=_NO_TLS
        )
        self.behave(**self._behaviour)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._stop()

    @property
    def settings(self) -> dict[str, str]:
        """What Raphus is told to find it."""
        return {
            "WINDMILL_BASE_URL": self.url,
            "WINDMILL_WORKSPACE": WORKSPACE,
            "WINDMILL_TOKEN": TOKEN,
        }

    def jobs(self) -> list[Job]:
        """Return the jobs that were accepted, in order."""
        return msgspec.json.decode(self._direct("/_jobs"), type=list[Job])

    def requests(self) -> list[Request]:
        """Return what was requested, in order of arrival."""
        return msgspec.json.decode(self._direct("/_requests"), type=list[Request])

    def behave(self, **changes: object) -> None:
        """Behave otherwise from now on: fields of `Behaviour`; the others stay."""
        self._direct("/_behave", changes)

    def fail(self, fault: Fault, times: int = 1, path: str = "") -> None:
        """Let the next requests that start a job (of a path, if one is given) meet a fault."""
        self._direct("/_fail", [(fault, path)] * times)

    def forget(self) -> None:
        """Delete all jobs, as time does; `jobs` still tells them."""
        self._direct("/_forget")

    def _direct(self, what: str, how: object = None) -> bytes:
        response = self._client.post(what, content=msgspec.json.encode(how))
        return response.raise_for_status().content

    def _start(self) -> tuple[str, str]:
        addresses: Future[tuple[str, str]] = Future()
        self._lifeline, self._held = os.pipe()
        stage = self.stands_in(self._tls)
        run = stand_in(stage, addresses.set_result, self._lifeline)
        self._thread = Thread(target=asyncio.run, args=(run,), name="stand-in")
        self._thread.start()
        return addresses.result(_GUARD_S)

    def _stop(self) -> None:
        os.close(self._held)
        self._thread.join(_GUARD_S)
        os.close(self._lifeline)


class StandInProcess(StandIn):
    """The stand-in in a process of its own, which does not share the interpreter with a test."""

    def _start(self) -> tuple[str, str]:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.windmill_stand_in", self.stands_in.__name__],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        return msgspec.json.decode(self.process.stdout.readline(), type=tuple[str, str])

    def _stop(self) -> None:
        self.process.communicate(timeout=_GUARD_S)


class EndpointStandIn(StandIn):
    """A merchant's endpoint in a thread."""

    stands_in = Endpoint


class EndpointProcess(StandInProcess):
    """A merchant's endpoint in a process of its own."""

    stands_in = Endpoint
