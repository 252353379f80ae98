"""A request's body, read within bounds of size, time and memory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from starlette.types import Message, Receive

BODY_BYTES_MAX: Final = 2**20
READING_BYTES_MAX: Final = 64 * 2**20
"""All bodies together that are being read."""
READ_TIMEOUT_S: Final = 10.0


class TooLargeError(Exception):
    """The body has more bytes than a delivery may have."""


class TooMuchError(Exception):
    """The bodies being read have as many bytes as they may have together."""


class TooSlowError(Exception):
    """The body does not come whole in time."""


class DisconnectedError(Exception):
    """The peer has gone."""


class BodyReader:
    """Reads bodies; one for a process, of so many that share the limit on what all of them hold."""

    def __init__(self, workers: int = 1) -> None:
        self._workers = workers
        self._reading: dict[asyncio.Timeout, int] = {}
        """What each body being read holds, in bytes, in the order in which they began."""
        self._reading_bytes = 0

    async def read(self, receive: Receive) -> bytes:
        """Read one body.

        Raises:
            TooLargeError: it is over `BODY_BYTES_MAX`; the rest is not kept.
            TooMuchError: too much is being read, and this has been read longest.
            TooSlowError: it takes longer than `READ_TIMEOUT_S`.
            DisconnectedError: the peer has gone.
        """
        message = _begun(receive)
        if message is not None and not message.get("more_body", False):
            return _chunk(message)
        given_up = False
        try:
            async with asyncio.timeout(READ_TIMEOUT_S) as deadline:
                message = message or await receive()
                body = _chunk(message)
                if not message.get("more_body", False):
                    return body
                self._hold(deadline, len(body))
                try:
                    return await self._read_on(receive, body, deadline)
                finally:
                    given_up = deadline not in self._reading
                    self._reading_bytes -= self._reading.pop(deadline, 0)
        except TimeoutError as error:
            raise (TooMuchError if given_up else TooSlowError) from error

    async def _read_on(self, receive: Receive, first: bytes, deadline: asyncio.Timeout) -> bytes:
        chunks, size = [first], len(first)
        while True:
            message = await receive()
            chunk = _chunk(message)
            size += len(chunk)
            if size > BODY_BYTES_MAX:
                raise TooLargeError
            chunks.append(chunk)
            self._hold(deadline, size)
            if not message.get("more_body", False):
                return b"".join(chunks)

    def _hold(self, deadline: asyncio.Timeout, size: int) -> None:
        """Count what a body holds; where all hold too much, those that began first are given up.

        Bodies that stall are those before long, and so keep no newcomer out.
        """
        self._reading_bytes += size - self._reading.get(deadline, 0)
        self._reading[deadline] = size
        while self._reading_bytes * self._workers > READING_BYTES_MAX:
            oldest = next(iter(self._reading))
            self._reading_bytes -= self._reading.pop(oldest)
            if oldest is deadline:
                raise TooMuchError
            if not oldest.expired():
                oldest.reschedule(asyncio.get_running_loop().time())


def _begun(receive: Receive) -> Message | None:
    """Return what has come already, as nearly all bodies have; None where it must be waited for.

    So no deadline is set for those, which takes longer than all else of reading them.
    """
    receiving = cast("Coroutine[None, None, Message]", receive())
    try:
        receiving.send(None)
    except StopIteration as done:
        return cast("Message", done.value)
    receiving.close()
    return None


def _chunk(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise DisconnectedError
    chunk: bytes = message.get("body", b"")
    if len(chunk) > BODY_BYTES_MAX:
        raise TooLargeError
    return chunk
