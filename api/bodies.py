"""Bodies: a request's body, read within bounds of size, time and memory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
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
    """Reads bodies; one for a server, since it knows how much all of them hold."""

    def __init__(self) -> None:
        self._reading_bytes = 0

    async def read(self, receive: Receive) -> bytes:
        """Read one body.

        Raises:
            TooLargeError: it is over `BODY_BYTES_MAX`; the rest is not kept.
            TooMuchError: too much is being read already.
            TooSlowError: it takes longer than `READ_TIMEOUT_S`.
            DisconnectedError: the peer has gone.
        """
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                message = await receive()
                body = _chunk(message)
                if not message.get("more_body", False):
                    return body
                return await self._read_on(receive, body)
        except TimeoutError as error:
            raise TooSlowError from error

    async def _read_on(self, receive: Receive, first: bytes) -> bytes:
        chunks, size = [first], len(first)
        self._reading_bytes += size
        try:
            while True:
                message = await receive()
                chunk = _chunk(message)
                size += len(chunk)
                if size > BODY_BYTES_MAX:
                    raise TooLargeError
                self._reading_bytes += len(chunk)
                chunks.append(chunk)
                if self._reading_bytes > READING_BYTES_MAX:
                    raise TooMuchError
                if not message.get("more_body", False):
                    return b"".join(chunks)
        finally:
            self._reading_bytes -= sum(map(len, chunks))


def _chunk(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise DisconnectedError
    chunk: bytes = message.get("body", b"")
    if len(chunk) > BODY_BYTES_MAX:
        raise TooLargeError
    return chunk
