"""HTTP on loopback that can be shut, and connections that can be cut."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, cast
from urllib.parse import parse_qsl, unquote

import httptools

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from ssl import SSLContext

LOOPBACK: Final = "127.0.0.1"
_WAITING_MAX: Final = 1_024
_UNREAD_BYTES_MAX: Final = 1024 * 1024


class Asked(NamedTuple):
    """A request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[bytes, bytes]
    body: bytes


class Answer(NamedTuple):
    """An answer as it goes. With a pause between its parts, it has no end."""

    status: int
    body: bytes
    media_type: str = "text/plain"
    retry_after_s: int = 0
    endless_pause_s: float | None = None
    location: str = ""

    def rendered(self) -> bytes:
        """Return it as HTTP/1.1."""
        retry = f"retry-after: {self.retry_after_s}\r\n" if self.retry_after_s else ""
        length = "" if self.endless_pause_s is not None else f"content-length: {len(self.body)}\r\n"
        location = f"location: {self.location}\r\n" if self.location else ""
        kind = f"content-type: {self.media_type}\r\n"
        head = f"HTTP/1.1 {self.status} -\r\n{kind}{retry}{location}{length}\r\n"
        return head.encode() + self.body


Answering: TypeAlias = "Callable[[Asked], Awaitable[Answer | None]]"
"""Gives the answer to a request; None cuts the connection."""


class Door:
    """A port that can be shut, so that to connect is refused, and opened again."""

    def __init__(self, answering: Answering, tls: SSLContext | None = None) -> None:
        self._answering = answering
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._port = 0

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{'https' if self._tls else 'http'}://{LOOPBACK}:{self._port}"

    async def open(self) -> None:
        """Take connections, always on the same port."""
        if self._server is not None:
            return
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Connection(self._answering, self._connections),
            LOOPBACK,
            self._port,
            backlog=_WAITING_MAX,
            ssl=self._tls,
        )
        self._port = self._server.sockets[0].getsockname()[1]

    def shut(self) -> None:
        """Take no connections, and cut those that there are."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in tuple(self._connections):
            connection.cut()


class _Connection(asyncio.Protocol):
    """One kept-alive connection, whose requests come one after the other."""

    def __init__(self, answering: Answering, connections: set[_Connection]) -> None:
        self._answering = answering
        self._connections = connections
        self._parser = httptools.HttpRequestParser(self)
        self._replying: asyncio.Task[None] | None = None
        self._url = self._body = b""
        self._headers: dict[bytes, bytes] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.abort()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._url, self._headers, self._body = b"", {}, b""

    def on_url(self, url: bytes) -> None:
        """Take a part of the URL."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._body += body

    def on_message_complete(self) -> None:
        """Answer. A client that goes away does not take its request back."""
        path, _, query = self._url.decode("latin-1").partition("?")
        method = self._parser.get_method().decode()
        asked = Asked(method, unquote(path), dict(parse_qsl(query)), self._headers, self._body)
        self._replying = asyncio.get_running_loop().create_task(self._reply(asked))

    async def _reply(self, asked: Asked) -> None:
        answer = await self._answering(asked)
        if answer is None:
            self._transport.abort()
        elif not self._transport.is_closing():
            self._transport.write(answer.rendered())
        if answer is not None and answer.endless_pause_s is not None:
            await self._go_on(answer.endless_pause_s)

    async def _go_on(self, pause_s: float) -> None:
        part = b"." * (64 * 1024 if pause_s == 0 else 1)
        while not self._transport.is_closing():
            if self._transport.get_write_buffer_size() < _UNREAD_BYTES_MAX:
                self._transport.write(part)
            await asyncio.sleep(pause_s)

    def cut(self) -> None:
        """Drop the connection, and what is under way on it."""
        if self._replying is not None:
            self._replying.cancel()
        self._transport.abort()
