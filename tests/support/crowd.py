"""Many peers that send as slowly as they can, take nothing, and come back when closed."""

from __future__ import annotations

import itertools
import socket
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

PAUSE_S: Final = 0.05
DRIBBLE_EVERY: Final = 10
"""Rounds between two bytes of a peer."""
RETURNING_MAX: Final = 3
"""How many come back in a round."""
_POST: Final = b"POST /webhooks/dodo HTTP/1.1\r\nhost: x\r\n"
_LONG: Final = b"content-length: 1000000\r\n\r\n{"
BEGINNINGS: Final = (
    b"",
    _POST,
    _POST + _LONG,
    b"GET /healthz HTTP/1.1\r\nhost: x\r\n" + _LONG,
    b"GET /v1/payments HTTP/1.1\r\nhost: x\r\n" + _LONG,
    b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n" * 50,
)
"""Heads and bodies that do not end, before an answer and after it; answers that are not taken."""


class Crowd:
    """Peers of one server, which all of them have begun to ask when `rounds` is positive."""

    def __init__(self, address: tuple[str, int], size: int) -> None:
        self._address = address
        self._beginnings = itertools.cycle(BEGINNINGS)
        self._socks: list[socket.socket] = []
        self._size = size
        self.rounds = 0

    def run(self, over: Event) -> None:
        """Be there until it is over."""
        try:
            while not over.wait(PAUSE_S):
                room = self._size - len(self._socks)
                for _ in range(room if not self.rounds else min(room, RETURNING_MAX)):
                    self._come()
                if self.rounds % DRIBBLE_EVERY == 0:
                    self._socks = [sock for sock in self._socks if _dribble(sock)]
                self.rounds += 1
        finally:
            for sock in self._socks:
                sock.close()

    def _come(self) -> None:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        sock.settimeout(PAUSE_S)
        self._socks.append(sock)
        with suppress(OSError):
            sock.connect(self._address)
            sock.setblocking(False)
            sock.send(next(self._beginnings))


def _dribble(sock: socket.socket) -> bool:
    """Send a byte; return whether the peer is still connected, as far as it knows."""
    try:
        sock.send(b"x")
    except BlockingIOError:
        return True
    except OSError:
        sock.close()
        return False
    return True


@contextmanager
def crowded(address: tuple[str, int], size: int) -> Iterator[Crowd]:
    """Keep a crowd before a server while the block runs."""
    crowd, over = Crowd(address, size), Event()
    thread = Thread(target=crowd.run, args=[over], name="crowd")
    thread.start()
    try:
        yield crowd
    finally:
        over.set()
        thread.join()
