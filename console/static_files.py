"""The files that pages need: read once, sent compressed, kept by browsers until they change."""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from starlette.responses import Response

from console.security import HEADERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send

FOLDER: Final = Path(__file__).parent / "static"
PATH: Final = "/static/{name:path}"
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_FOR_EVER: Final = "public, max-age=31536000, immutable"


class File(NamedTuple):
    """A file as it is sent, and what tells its content from another."""

    body: bytes
    compressed: bytes
    media_type: str
    version: str


@cache
def files() -> Mapping[str, File]:
    """Every file, by its name below the folder; nothing else is ever sent."""
    return {
        path.relative_to(FOLDER).as_posix(): _file(path)
        for path in sorted(FOLDER.rglob("*"))
        if path.suffix in _TYPES
    }


def _file(path: Path) -> File:
    body = path.read_bytes()
    version = hashlib.sha256(body).hexdigest()[:12]
    return File(body, gzip.compress(body, mtime=0), _TYPES[path.suffix], version)


def asset(name: str) -> str:
    """Return the address of a file, another one for another content.

    Raises:
        KeyError: there is no such file.
    """
    return f"/static/{name}?v={files()[name].version}"


class Files:
    """Sends the files (ASGI)."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send one."""
        file = files().get(scope["path_params"]["name"])
        if file is None:
            await Response("There is no such file.\n", 404, HEADERS)(scope, receive, send)
            return
        named = scope["query_string"] == f"v={file.version}".encode()
        headers = {
            **HEADERS,
            "content-type": file.media_type,
            "cache-control": _FOR_EVER if named else "no-cache",
            "vary": "accept-encoding",
        }
        body = file.body
        if any(name == b"accept-encoding" and b"gzip" in value for name, value in scope["headers"]):
            body, headers["content-encoding"] = file.compressed, "gzip"
        await Response(body, 200, headers)(scope, receive, send)
