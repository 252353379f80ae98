"""A line to PostgreSQL that can be cut, or go mute: nothing comes through, and nothing says so."""

from __future__ import annotations

import select
import socket
import socketserver
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import TYPE_CHECKING

from psycopg.conninfo import conninfo_to_dict, make_conninfo

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOPBACK = "127.0.0.1"
CHUNK_BYTES = 64 * 1024
TICK_S = 0.02


class Line:
    """What goes over it now, and how to reach the database by it.

    While it is mute, both sides' kernels go on acknowledging what is sent, and new connections
    are accepted. Set `mute_at` to what one connection's client is to say, one after another, and
    it goes mute with the last of it: the server hears that, and the client no answer.
    """

    def __init__(self, server: str) -> None:
        self.server = server
        self.conninfo = ""
        self.mute_at: tuple[bytes, ...] = ()
        self.attempts = 0
        self._closing = Event()
        self._open = Event()
        self._open.set()
        self._cut = Event()
        self._generation = 0

    @property
    def is_mute(self) -> bool:
        """Whether nothing comes through."""
        return not self._open.is_set()

    def mute(self) -> None:
        """Let nothing through."""
        self._open.clear()

    def cut(self) -> None:
        """Close every connection, and each new one at once."""
        self._cut.set()

    def restore(self, *, forgetting: bool = False) -> None:
        """Let everything through again; `forgetting`: but on new connections only."""
        self.mute_at = ()
        self._generation += forgetting
        self._cut.clear()
        self._open.set()

    def close(self) -> None:
        """End every connection."""
        self._closing.set()

    def relay(self, client: socket.socket) -> None:
        """Relay one connection."""
        self.attempts += 1
        generation = self._generation
        while not self._open.is_set() and not self._closing.is_set():
            self._open.wait(TICK_S)
        if self._cut.is_set() or generation != self._generation:
            return
        with socket.socket(socket.AF_UNIX) as server:
            server.connect(self.server)
            said = bytearray()
            while not self._closing.is_set() and not self._cut.is_set():
                if not self._flows(generation):
                    self._closing.wait(TICK_S)
                elif not self._pass_on(client, server, generation, said):
                    return

    def _flows(self, generation: int) -> bool:
        return self._open.is_set() and generation == self._generation

    def _pass_on(
        self, client: socket.socket, server: socket.socket, generation: int, said: bytearray
    ) -> bool:
        readable, _, _ = select.select([client, server], [], [], TICK_S)
        for source, sink in ((client, server), (server, client)):
            if source in readable and self._flows(generation):
                chunk = source.recv(CHUNK_BYTES)
                if not chunk:
                    return False
                sink.sendall(chunk)
                if source is client and self.mute_at:
                    said += chunk
                    if follow_one_another(self.mute_at, said):
                        self.mute()
                        return True
        return True


def follow_one_another(words: tuple[bytes, ...], said: bytes | bytearray) -> bool:
    """Return whether the words were said, in this order."""
    end = 0
    for word in words:
        at = said.find(word, end)
        if at < 0:
            return False
        end = at + len(word)
    return True


@contextmanager
def line_to(conninfo: str) -> Iterator[Line]:
    """Open a line to a database on this machine."""
    there = conninfo_to_dict(conninfo)
    line = Line(f"{there['host']}/.s.PGSQL.{there.get('port', 5432)}")

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):  # either side may go at any time
                line.relay(self.request)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server((LOOPBACK, 0), Handler) as proxy:
        thread = Thread(target=proxy.serve_forever, args=(TICK_S,))
        thread.start()
        plain = make_conninfo(conninfo, sslmode="disable", gssencmode="disable")
        line.conninfo = make_conninfo(plain, host=LOOPBACK, port=proxy.server_address[1])
        try:
            yield line
        finally:
            line.close()
            proxy.shutdown()
            thread.join()
