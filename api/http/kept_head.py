"""The head of an answer, kept for the body, so that both are one write and wake the peer once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class KeptHead(asyncio.Transport):
    """Stands for the transport of a request under way, until something is written.

    What is written first goes out with what is written next, or by itself once the loop has gone
    round: whoever streams may have nothing more to say for long.
    """

    def __init__(self, cycle: RequestResponseCycle, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._cycle, self._loop, self._transport = cycle, loop, cycle.transport
        self._kept: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep it, or write it with what is kept."""
        self._kept.append(bytes(data))
        if len(self._kept) == 1:
            self._loop.call_soon(self._write)
        else:
            self._write()

    def close(self) -> None:
        """Write what is kept, and close the transport."""
        self._write()
        self._transport.close()

    def is_closing(self) -> bool:
        """Tell whether the transport is closed, or about to be."""
        return self._transport.is_closing()

    def _write(self) -> None:
        kept, self._kept = self._kept, []
        if kept and not self._transport.is_closing():
            self._transport.writelines(kept)
        self._cycle.transport = self._transport
