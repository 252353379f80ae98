"""Services that the ready-made scripts call: each with rules of its own, over real HTTP."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from tests.support.outside import LOOPBACK, running

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Asked:
    """A request: its body is decoded JSON, the pairs of a form, else bytes."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: Any

    @property
    def parts(self) -> list[str]:
        """The parts of the path."""
        return self.path.strip("/").split("/")


@dataclass
class Service:
    """A service: what it was asked, and what it answers first, once each, whatever it is asked."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    faults: list[tuple[int, Any]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    """What the next answer says besides."""

    def answer(self, asked: Asked) -> tuple[int, Any]:
        """Answer a request with a status, and JSON or bytes."""
        raise NotImplementedError

    def answered(self, asked: Asked) -> tuple[int, Any]:
        """Answer with a fault that waits, else by the rules."""
        self.asked.append(asked)
        return self.faults.pop(0) if self.faults else self.answer(asked)


@contextmanager
def serving(service: Service) -> Iterator[None]:
    """Serve a service."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            url = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            body = _decoded(content, self.headers.get("Content-Type", ""))
            headers = {name.lower(): value for name, value in self.headers.items()}
            told = service.answered(Asked(self.command, url.path, query, headers, body))
            status, answer = told
            sent = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent) if status != 204 else 0))
            for name, value in {"Retry-After": "0", **service.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if status != 204:
                self.wfile.write(sent)

        do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 -- http.server's own

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server, running(server):
        service.url = f"http://{LOOPBACK}:{server.server_port}"
        yield


def _decoded(content: bytes, type_: str) -> Any:  # noqa: ANN401 -- JSON
    if type_.startswith(FORM):
        return {name: values[0] for name, values in parse_qs(content.decode()).items()}
    try:
        return json.loads(content) if content else None
    except ValueError:
        return content
