"""Services that the ready-made scripts call: each with rules of its own, over real HTTP."""

from __future__ import annotations

import base64
import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from tests.support.outside import answering

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from http.server import BaseHTTPRequestHandler

    from tests.support.outside import Answer

AnyService = TypeVar("AnyService", bound="Service")

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


def basic(user: str, password: str) -> str:
    """Return the header `Authorization` of a user with a password."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@contextmanager
def serving(service: AnyService) -> Iterator[AnyService]:
    """Serve a service, and give it."""

    def answer(asked: BaseHTTPRequestHandler, content: bytes) -> Answer:
        url = urlsplit(asked.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        body = _decoded(content, asked.headers.get("Content-Type", ""))
        headers = {name.lower(): value for name, value in asked.headers.items()}
        status, said = service.answered(Asked(asked.command, url.path, query, headers, body))
        sent = said if isinstance(said, bytes) else json.dumps(said).encode()
        return status, sent, {"Content-Type": "application/json", **service.headers}

    with answering(answer) as service.url:
        yield service


def _decoded(content: bytes, type_: str) -> Any:  # noqa: ANN401 -- JSON
    if type_.startswith(FORM):
        return {name: values[0] for name, values in parse_qs(content.decode()).items()}
    try:
        return json.loads(content) if content else None
    except ValueError:
        return content
