"""Notices are passed on in their order, none twice, and a connection that is lost is told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg
import pytest

from postgres.connections import READING, connect_async
from postgres.notices import hear
from tests.support.waiting import GUARD_S

if TYPE_CHECKING:
    from postgres.connections import AsyncConnection


async def listening_to(database: str) -> AsyncConnection:
    conn = await connect_async(database, READING, "listener")
    await conn.execute("LISTEN here")
    return conn


def notify(database: str, *payloads: str) -> None:
    with psycopg.connect(database, autocommit=True) as conn:
        for payload in payloads:
            conn.execute("SELECT pg_notify('here', %s)", [payload])


async def heard_to(conn: AsyncConnection, last: str, heard: list[str]) -> None:
    """Hear until the last one comes."""
    came = asyncio.Event()

    def told(payload: str) -> None:
        heard.append(payload)
        if payload == last:
            came.set()

    hearing = asyncio.create_task(hear(conn, told, GUARD_S))
    await came.wait()
    hearing.cancel()


def test_they_come_in_their_order_whenever_they_were_sent(database: str) -> None:
    async def scene() -> list[str]:
        heard: list[str] = []
        async with await listening_to(database) as conn:
            notify(database, "1", "2")
            await conn.execute("SELECT 1")  # with whose answer they come
            notify(database, "3")
            await heard_to(conn, "3", heard)
            await conn.execute("SELECT 1")  # the connection can be used between
            later = asyncio.create_task(heard_to(conn, "5", heard))
            await asyncio.to_thread(notify, database, "4", "5")
            await later
        return heard

    assert asyncio.run(scene()) == ["1", "2", "3", "4", "5"]


def test_who_hears_nothing_ends_in_time(database: str) -> None:
    async def scene() -> None:
        async with await listening_to(database) as conn:
            await hear(conn, pytest.fail, 0.01)
            await conn.execute("SELECT 1")

    asyncio.run(scene())


def test_a_connection_that_is_lost_is_told_at_once(database: str) -> None:
    async def scene() -> None:
        async with await listening_to(database) as conn:
            hearing = asyncio.create_task(hear(conn, pytest.fail, GUARD_S))
            await asyncio.to_thread(end, database, conn.info.backend_pid)
            with pytest.raises(psycopg.OperationalError):
                await hearing

    asyncio.run(scene())


def end(database: str, pid: int) -> None:
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])
