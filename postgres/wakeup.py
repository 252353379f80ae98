"""A bell: ends the waiting of a thread that may also wait for a connection."""

from __future__ import annotations

import selectors
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Protocol

    class Readable(Protocol):
        """What the operating system can wait for."""

        def fileno(self) -> int:
            """Return its descriptor."""


class Bell:
    """Rung once, by any thread; from then on nothing waits."""

    def __init__(self) -> None:
        self._hears, self._rings = socket.socketpair()
        self.rung = False

    def ring(self) -> None:
        """End every wait, now and later."""
        if not self.rung:
            self.rung = True
            self._rings.send(b"\0")

    def wait(self, limit_s: float | None, *others: Readable) -> None:
        """Wait until it rings, one of the others is readable, or the time, if any, is over."""
        with selectors.DefaultSelector() as selector:
            for one in (self._hears, *others):
                selector.register(one, selectors.EVENT_READ)
            selector.select(limit_s)

    def close(self) -> None:
        """Free its descriptors; call it when nobody waits any more."""
        self._hears.close()
        self._rings.close()
