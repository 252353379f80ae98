"""Serves a simulated API on this machine, in a thread, for as long as a block lasts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

from simulator.dodo_api.api import SimulatedDodo
from simulator.dodo_api.asking import Asked

if TYPE_CHECKING:
    from aiohttp import web

HOST = "127.0.0.1"


@contextmanager
def serving(dodo: SimulatedDodo, port: int = 0) -> Iterator[str]:
    """Serve the API, on a free port unless one is given; give its address.

    Raises OSError where the port is taken.
    """
    told: SimpleQueue[tuple[asyncio.AbstractEventLoop, asyncio.Event, str] | BaseException]
    told = SimpleQueue()

    async def serve() -> None:
        from aiohttp import web  # noqa: PLC0415 -- it loads slowly

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            return await _handled(dodo, request)

        # What nobody waits for any more is dropped at the end, however long it would take.
        runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.01)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, port).start()
            end = asyncio.Event()
            address = runner.addresses[0]
            told.put((asyncio.get_running_loop(), end, f"http://{HOST}:{address[1]}"))
            await end.wait()
        finally:
            await runner.cleanup()

    def run() -> None:
        try:
            asyncio.run(serve())
        except OSError as error:
            told.put(error)

    thread = Thread(target=run, name="simulated Dodo")
    thread.start()
    started = told.get()
    if isinstance(started, BaseException):
        thread.join()
        raise started
    loop, end, url = started
    try:
        yield url
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join()


async def _handled(dodo: SimulatedDodo, request: web.BaseRequest) -> web.Response:
    from aiohttp import web  # noqa: PLC0415

    if request.method != "GET":
        return web.Response(status=405)
    headers = {name.lower(): value for name, value in request.headers.items()}
    reply = dodo.reply(Asked(request.path, dict(request.query), headers))
    if reply.delay_s:
        await asyncio.sleep(reply.delay_s)
    return web.Response(status=reply.status, body=reply.body, headers=reply.headers)
