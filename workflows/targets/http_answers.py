"""How targets are asked over HTTP, and how much of an answer is read, and for how long."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, NamedTuple

import aiohttp

from workflows.targets.attempt import NOTHING_SENT

if TYPE_CHECKING:
    from collections.abc import Mapping

CONNECT_TIMEOUT_S: Final = 5.0
KEEP_ALIVE_S: Final = 30.0
RETRY_AFTER_MAX_S: Final = 600.0
_HEADERS: Final[Mapping[str, str]] = {"accept-encoding": "identity", "user-agent": "Raphus"}


class Answer(NamedTuple):
    """An answer, and the beginning of its body."""

    status: int
    retry_after: str
    body: bytes

    @property
    def text(self) -> str:
        """The body, as far as it can be read."""
        return self.body.decode("utf-8", "replace")


def session(connector: aiohttp.TCPConnector, timeout_s: float) -> aiohttp.ClientSession:
    """Make what asks over a connector: it keeps no cookie, and unpacks nothing."""
    return aiohttp.ClientSession(
        auto_decompress=False,
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=_HEADERS,
        timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_TIMEOUT_S),
    )


def since_ms(began_s: float) -> int:
    """Tell how long it has taken since a time on the monotonic clock."""
    return round((time.monotonic() - began_s) * 1_000)


async def beginning(content: aiohttp.StreamReader, bytes_max: int) -> bytes:
    """Read a body, or so much of it; as it came, so that nothing can unfold into more."""
    body = bytearray()
    while len(body) < bytes_max and (part := await content.readany()):
        body += part
    return bytes(body[:bytes_max])


def retry_after_s(said: str) -> float | None:
    """Read the header `retry-after`, seconds or a date; no more than is waited for at the most."""
    if said.isascii() and said.isdigit():
        return min(float(said[:9]), RETRY_AFTER_MAX_S)
    try:
        wait_s = (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(wait_s, 0.0), RETRY_AFTER_MAX_S)


def told(error: Exception, timeout_s: float) -> str:
    """Tell why there was no answer; nothing of what was to be sent is quoted."""
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return f"{NOTHING_SENT}: no connection within {CONNECT_TIMEOUT_S:g} s"
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout_s:g} s"
    # Of others, the text could quote what was to be sent.
    why = str(error) if isinstance(error, aiohttp.ClientConnectionError) else ""
    what = NOTHING_SENT if isinstance(error, aiohttp.ClientConnectorError) else "no answer"
    return ": ".join(filter(None, [what, type(error).__name__, why]))
