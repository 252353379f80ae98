"""What workflows reach on the outside: a web server and a mail server, on loopback."""

from __future__ import annotations

import json
import socket
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseServer, StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from email.message import EmailMessage

    Answer: TypeAlias = tuple[int, bytes, Mapping[str, str]]
    """A status, a body, and headers."""

LOOPBACK = "127.0.0.1"


@dataclass
class Web:
    """A web server: what it answers by path, the last answer for ever, and what it was asked."""

    url: str = ""
    answers: dict[str, list[tuple[int, Any]]] = field(default_factory=dict)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    """Each path, with the authorization and the body that came with it."""


@dataclass
class Post:
    """A mail server: what it took, and for whom; `answers` are its words other than "well"."""

    port: int = 0
    answers: dict[str, str] = field(default_factory=dict)
    mails: list[tuple[list[str], EmailMessage]] = field(default_factory=list)

    @property
    def resource(self) -> dict[str, Any]:
        """What a Windmill resource says of it."""
        return {"host": LOOPBACK, "port": self.port, "user": "", "password": ""}


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.create_server((LOOPBACK, 0)) as taken:
        return int(taken.getsockname()[1])


@contextmanager
def answering(answer: Callable[[BaseHTTPRequestHandler, bytes], Answer]) -> Iterator[str]:
    """Serve what a function answers to a request and the bytes of its body; give the URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, body, headers = answer(self, content)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            for name, value in {"Retry-After": "0", **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 -- http.server's own

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server, running(server):
        yield f"http://{LOOPBACK}:{server.server_port}"


@contextmanager
def web() -> Iterator[Web]:
    """Serve the web."""
    served = Web()

    def answer(asked: BaseHTTPRequestHandler, content: bytes) -> Answer:
        path = asked.path.partition("?")[0]
        body = json.loads(content) if content else None
        served.asked.append((path, asked.headers.get("Authorization", ""), body))
        told = served.answers.get(path, [(404, "there is nothing")])
        status, said = told.pop(0) if len(told) > 1 else told[0]
        text = said if isinstance(said, str) else json.dumps(said)
        return status, text.encode(), {"Location": text} if status == 302 else {}

    with answering(answer) as served.url:
        yield served


@contextmanager
def post() -> Iterator[Post]:
    """Take mails; TLS is not offered."""
    taken = Post()

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            recipients: list[str] = []
            self.wfile.write(b"220 ready\r\n")
            while line := self.rfile.readline().decode().strip():
                verb = line.partition(" ")[0].upper()
                if verb == "RCPT":
                    recipients.append(line.partition("<")[2].partition(">")[0])
                if verb == "DATA":
                    self.wfile.write(b"354 go on\r\n")
                    content = b"".join(iter(self.rfile.readline, b".\r\n"))
                    mail = message_from_bytes(content, policy=policy.default)
                    taken.mails.append((recipients, mail))
                told = taken.answers.get(verb, "221 bye" if verb == "QUIT" else "250 well")
                self.wfile.write(f"{told}\r\n".encode())

    with ThreadingTCPServer((LOOPBACK, 0), Handler) as server, running(server):
        taken.port = server.server_address[1]
        yield taken


@contextmanager
def running(server: BaseServer) -> Iterator[None]:
    """Serve in a thread until the block ends."""
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
