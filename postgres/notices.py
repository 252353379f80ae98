"""What is notified on a connection of an event loop, passed on as it comes.

psycopg goes through its generators, a task and a timer for each notice, which takes three times as
long; and whoever follows something that moves at each commit gets as many notices.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg import AsyncConnection


async def hear(conn: AsyncConnection[Any], told: Callable[[str], None], limit_s: float) -> None:
    """Pass on the payload of each notice that has come or comes within so many seconds.

    Nobody else works on the connection meanwhile.

    Raises:
        psycopg.OperationalError: the connection is lost.
    """
    async for notice in conn.notifies(timeout=0.0):
        told(notice.payload)
    pgconn, loop = conn.pgconn, asyncio.get_running_loop()
    socket, lost = pgconn.socket, loop.create_future()

    def read() -> None:
        try:
            pgconn.consume_input()
        except psycopg.OperationalError as error:
            loop.remove_reader(socket)  # at once: it is closed, and its number may be another's
            lost.set_exception(error)
        while notice := pgconn.notifies():
            told(notice.extra.decode())

    loop.add_reader(socket, read)
    try:
        await asyncio.wait([lost], timeout=limit_s)
        if lost.done():
            lost.result()
    finally:
        if not lost.done():
            loop.remove_reader(socket)
