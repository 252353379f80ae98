"""A proxy before PostgreSQL that cuts connections at a chosen message."""

from __future__ import annotations

import select
import socket
import socketserver
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread
from typing import TYPE_CHECKING, Literal

from psycopg.conninfo import conninfo_to_dict, make_conninfo

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOPBACK = "127.0.0.1"
CHUNK_BYTES = 64 * 1024


@dataclass
class Scissors:
    """Cut the connection the next `left` times that the client sends `message`.

    The message is lost before it reaches the server, or else its answer is, after the server
    has done what it says.
    """

    message: bytes
    lost: Literal["message", "answer"]
    left: int = 0


@contextmanager
def cutting(conninfo: str, scissors: Scissors) -> Iterator[str]:
    """Open the proxy and yield the way to the database through it."""
    server = conninfo_to_dict(conninfo)
    address = f"{server['host']}/.s.PGSQL.{server.get('port', 5432)}"

    closing = Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX) as upstream:
                upstream.connect(address)
                _relay(self.request, upstream, scissors, closing)

    with socketserver.ThreadingTCPServer((LOOPBACK, 0), Handler) as proxy:
        thread = Thread(target=proxy.serve_forever, args=(0.01,))
        thread.start()
        port = proxy.server_address[1]
        try:
            plain = make_conninfo(conninfo, sslmode="disable", gssencmode="disable")
            yield make_conninfo(plain, host=LOOPBACK, port=port)
        finally:
            closing.set()
            proxy.shutdown()
            thread.join()


def _relay(
    client: socket.socket, server: socket.socket, scissors: Scissors, closing: Event
) -> None:
    while not closing.is_set():
        readable, _, _ = select.select([client, server], [], [], 0.1)
        for source, sink in ((client, server), (server, client)):
            if source not in readable:
                continue
            chunk = source.recv(CHUNK_BYTES)
            if not chunk:
                return
            if source is client and scissors.left and scissors.message in chunk:
                scissors.left -= 1
                if scissors.lost == "answer":
                    server.sendall(chunk)
                    server.recv(CHUNK_BYTES)
                return
            sink.sendall(chunk)
