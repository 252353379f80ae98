"""A server that is not Raphus, or is broken: it answers with the bytes that it was given."""

from __future__ import annotations

import socketserver
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def answer(status: str, body: bytes = b"", *headers: str) -> bytes:
    """Write an answer, after which the connection is closed."""
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", "connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass
class Odd:
    """What it answers, one a connection, and what it was asked."""

    answers: list[bytes]
    url: str = ""
    requests: list[bytes] = field(default_factory=list)


@contextmanager
def odd_server(*answers: bytes) -> Iterator[Odd]:
    """Answer one connection after the other; b"" closes it without a word."""
    odd = Odd(list(answers))

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            odd.requests.append(self.request.recv(65_536))
            self.request.sendall(odd.answers.pop(0))

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        odd.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield odd
        finally:
            server.shutdown()
            thread.join()
