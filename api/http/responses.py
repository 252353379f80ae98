"""Answers: what goes back over HTTP, and the headers that go with all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Send

T = TypeVar("T")
JSON: Final = b"application/json"
encode: Final = msgspec.json.Encoder().encode


class Answer(NamedTuple):
    """A whole answer: its status, headers and body."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    async def send(self, send: Send) -> None:
        """Send it."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})

    def decoded(self, as_: type[T]) -> T:
        """Read what the JSON says, for those who ask without HTTP."""
        return msgspec.json.decode(self.body, type=as_)


def answer(
    body: bytes,
    media_type: bytes = JSON,
    status: int = 200,
    headers: Mapping[bytes, bytes] | None = None,
) -> Answer:
    """Return an answer that no cache keeps and no browser takes for something else."""
    return Answer(
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


def json_answer(
    value: object, status: int = 200, headers: Mapping[bytes, bytes] | None = None
) -> Answer:
    """Return an answer in JSON."""
    return answer(encode(value), JSON, status, headers)
