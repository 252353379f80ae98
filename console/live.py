"""Tells open pages that something has moved: server-sent events, which carry none of it.

What a page shows it asks for itself, as its visitor; so a stream needs no more care than a clock.
Each waits for the position that the server knows anyhow, from one LISTEN of its own; who reads
slowly is told later, and of all that moved meanwhile at once.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import msgspec

from api.http.errors import ApiError, not_now
from api.http.responses import left
from api.http.server import ends
from api.queries.movements import Movements
from console.security import HEADERS, UNCACHED

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from console.site import Site
    from console.visit import Visitor

PATH: Final = "/live"
STREAMS_MAX: Final = 128
PAUSE_S: Final = 0.1
"""From one event of a stream to the next: what moves meanwhile is told with the second."""
BEAT_S: Final = 5.0
"""How often it is looked at whether the visitor still may look, and the peer hears that we live."""
_RETRY_MS: Final = 1_000
_HEADERS: Final = {
    **HEADERS,
    **UNCACHED,
    "content-type": "text/event-stream",
    # nginx would keep events until it has enough of them.
    "x-accel-buffering": "no",
}


class Moved(msgspec.Struct, frozen=True):
    """Up to where the read models have moved, and the kinds of things that did; None: any may."""

    position: str
    kinds: list[str] | None


class Live:
    """Serves the streams (ASGI)."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._movements = Movements(site.services.database)
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one, until its peer, its visitor's session or the server ends."""
        try:
            visitor = await self._visitor(scope)
            most = self._site.services.share.of(STREAMS_MAX)
            if self._open >= most:
                raise not_now("busy", f"{most} pages are kept up to date", retry_s=30)
        except ApiError as error:
            await error.response().send(send)
            return
        self._open += 1
        try:
            await self._serve(scope, receive, send, visitor)
        finally:
            self._open -= 1

    async def _visitor(self, scope: Scope) -> Visitor:
        visitor = await self._site.visitor(scope)
        visitor.caller.check("read", of_all=False)
        return visitor

    async def _serve(self, scope: Scope, receive: Receive, send: Send, visitor: Visitor) -> None:
        headers = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        whichever = [
            asyncio.create_task(self._tell(scope, send, visitor)),
            asyncio.create_task(left(receive)),
            asyncio.create_task(ends(scope)),
        ]
        try:
            done, _ = await asyncio.wait(whichever, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in whichever:
                task.cancel()
            await asyncio.wait(whichever)
        await send({"type": "http.response.body", "body": b""})
        for task in done:
            task.result()

    async def _tell(self, scope: Scope, send: Send, visitor: Visitor) -> None:
        freshness = self._site.services.freshness
        told, looked_at = freshness.position, time.monotonic()
        await _write(send, f"retry: {_RETRY_MS}\n{_event(Moved(str(told), None))}")
        while True:
            left_s = looked_at + BEAT_S - time.monotonic()
            if left_s <= 0:
                if not freshness.is_known or not await self._may_look(scope):
                    return
                looked_at = time.monotonic()
                await _write(send, ":\n\n")
                continue
            try:
                async with asyncio.timeout(left_s):
                    position = await freshness.moved(told)
            except TimeoutError:
                continue
            go_on_at = time.monotonic() + PAUSE_S
            kinds = await self._kinds(visitor, told, position)
            told = position
            await _write(send, _event(Moved(str(told), kinds)))
            await asyncio.sleep(go_on_at - time.monotonic())

    async def _kinds(self, visitor: Visitor, after: int, until: int) -> list[str] | None:
        # Of what another business has something, is none of his business.
        if visitor.caller.business_id is not None:
            return None
        try:
            kinds = await self._movements.kinds(after, until)
        except ApiError:
            return None
        return None if kinds is None else sorted(kinds)

    async def _may_look(self, scope: Scope) -> bool:
        try:
            await self._visitor(scope)
        except ApiError:
            return False
        return True


async def _write(send: Send, text: str) -> None:
    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})


def _event(moved: Moved) -> str:
    return f"event: moved\ndata: {msgspec.json.encode(moved).decode()}\n\n"
