"""A file sent over HTTP while it is made, to whoever was found to be the caller.

What goes wrong before the first part is an answer like any other. What goes wrong later breaks the
response off: it comes in chunks, and without the last one no client takes it for whole. An export
that nobody takes any more ends with its connection, and each ends after `EXPORT_S`.
"""

from __future__ import annotations

import asyncio
import logging
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from api.endpoint import admitted
from api.exports.aside import Aside
from api.exports.formats import MEDIA_TYPES
from api.exports.one_moment import stood_at
from api.exports.walk import parts
from api.http.errors import ApiError, not_now
from api.http.responses import left
from api.withholding import HEADER, withheld_from
from telemetry.logs import where

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from starlette.types import Receive, Scope, Send

    from api.exports.catalogue import Asked
    from api.exports.walk import Part
    from api.http.scopes import Caller
    from api.services import Services

_log = logging.getLogger(__name__)

EXPORTS_MAX: Final = 4
"""So many at once: each holds a connection, a thread and a transaction."""
RETRY_S: Final = 10
EXPORT_S: Final = 1_800.0
"""How long an export may take, and so how long its transaction may keep old rows."""


class Exchange(NamedTuple):
    """A request and its response, as ASGI has them."""

    scope: Scope
    receive: Receive
    send: Send


async def send_export(services: Services, caller: Caller, asked: Asked, exchange: Exchange) -> None:
    """Send what a caller may see of a list as a file, of his business where he is bound to one.

    Whoever has found out who asks may call it: by a key, or by a session of a browser.

    Raises:
        ApiError: nothing was sent: the caller may not ask that, the list cannot be asked so, the
            format is not available, or it cannot be told now.
    """
    bound = await admitted(asked.export.operation, services, caller, asked.query)
    with services.exports.one():
        known_position = await stood_at(bound, getattr(asked.query, "known_at", None))
        async with Aside(lambda: parts(bound, caller, asked, known_position)) as file:
            sending = _Sending(file, _headers(caller, asked), exchange)
            try:
                async with asyncio.timeout(EXPORT_S):
                    await _while_there(exchange.receive, sending.run())
            except TimeoutError as error:
                message = f"an export may take {EXPORT_S / 60:.0f} minutes"
                if not sending.has_begun:
                    raise not_now("too_slow", message) from error
                _log.warning("an export is broken off: %s", message)


class _Sending:
    """A response on its way; `has_begun` tells that it cannot be refused any more."""

    def __init__(
        self, file: Aside[Part], headers: list[tuple[bytes, bytes]], exchange: Exchange
    ) -> None:
        self._file = file
        self._headers = headers
        self._send = exchange.send
        self._is_head = exchange.scope["method"] == "HEAD"
        self.has_begun = False

    async def run(self) -> None:
        """Send all of it.

        Raises:
            Exception: before anything was sent.
        """
        part = await self._file.next()
        self.has_begun = True
        await self._send({"type": "http.response.start", "status": 200, "headers": self._headers})
        try:
            while part is not None and not self._is_head:
                await self._body(part.data, more=True)
                part = await self._file.next()
        except Exception as error:  # noqa: BLE001 -- whatever it is, the response has no end
            told = str(error) if isinstance(error, ApiError) else where(error)
            _log.error("an export is broken off: %s", told)
            return
        await self._body(b"", more=False)

    async def _body(self, data: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": more})


async def _while_there(receive: Receive, work: Coroutine[Any, Any, None]) -> None:
    """Do something until it is done, or the peer has gone."""
    working, leaving = asyncio.create_task(work), asyncio.create_task(left(receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


def _headers(caller: Caller, asked: Asked) -> list[tuple[bytes, bytes]]:
    name = re.sub(r"\W", "_", asked.export.name)
    file = f"raphus_{name}_{datetime.now(UTC):%Y%m%dT%H%M%SZ}.{asked.format}"
    withheld = withheld_from(caller, asked.export.rows.row)
    return [
        (b"content-type", MEDIA_TYPES[asked.format].encode()),
        (b"content-disposition", f'attachment; filename="{file}"'.encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        *([(HEADER, ", ".join(withheld).encode())] if withheld else []),
    ]
