"""What goes back over HTTP, and the headers that go with all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from starlette.types import Receive, Send

JSON: Final = b"application/json"
encode: Final = msgspec.json.Encoder().encode


class Content(NamedTuple):
    """What is not the JSON of a struct: the bytes as they are sent, and their media type."""

    body: bytes
    media_type: bytes


class Stream(NamedTuple):
    """What is sent part by part as it is made, to be kept as a file; making a part may block."""

    parts: Iterator[bytes]
    media_type: str
    file_name: str


class Response(NamedTuple):
    """A whole response: its status, headers and body."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    async def send(self, send: Send) -> None:
        """Send it by ASGI."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


async def left(receive: Receive) -> None:
    """Return once the peer of a request that has been read has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def response(
    result: object, status: int = 200, headers: Mapping[bytes, bytes] | None = None
) -> Response:
    """Return the response that says this: `Content` as it is, anything else in JSON.

    No cache keeps it, and no browser takes it for something else.
    """
    body, media_type = result if isinstance(result, Content) else (encode(result), JSON)
    return Response(
        status,
        [
            (b"content-type", media_type),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
            *(headers or {}).items(),
        ],
        body,
    )
