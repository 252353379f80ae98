"""The keys that a server knows: new ones at once, revoked ones not for long."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from api.http.errors import ApiError
from api.http.scopes import Caller
from api.keys import key_ring, table
from api.keys.key_ring import KeyRing
from api.queries.database import Database
from tests.support.http_server import served
from tests.support.keys import bearer, client_with, executed, made, revoked
from tests.support.outages import away
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from postgres.statement import Row, Statement

OWN: Final = "a-key-of-thirty-two-characters-0"


class Counted(Database):
    """Connections that count how often the keys are read, and remember what is changed."""

    def __init__(self, conninfo: str) -> None:
        super().__init__(conninfo)
        self.readings = 0
        self.changes: list[Statement] = []

    async def rows(self, statement: Statement, known_position: int | None = None) -> list[Row]:
        self.readings += 1
        return await super().rows(statement, known_position)

    async def change(self, statement: Statement) -> list[Row]:
        self.changes.append(statement)
        return await super().change(statement)


def asking(conninfo: str, question: Callable[[KeyRing, Counted], Awaitable[None]]) -> None:
    """Ask a key ring, in a loop of its own."""

    async def ask() -> None:
        database = Counted(conninfo)
        ring = KeyRing(database)
        try:
            await question(ring, database)
        finally:
            await ring.stop()
            await database.close()

    asyncio.run(ask())


def last_used(conninfo: str) -> dict[str, object]:
    return {
        key.name: key.last_used_at for key in table.read_listed(executed(conninfo, table.listed()))
    }


def test_a_key_is_found_with_its_scopes_and_its_business(database: str) -> None:
    key = made(database, "web", "read", "admin", business_id="bus_1")

    async def question(ring: KeyRing, _: Counted) -> None:
        assert await ring.find(key.encode()) == Caller.with_scopes(["read", "admin"], "bus_1")
        for wrong in (b"", key[:-1].encode(), f"{key}x".encode(), key.upper().encode()):
            assert await ring.find(wrong) is None

    asking(database, question)


def test_a_new_key_is_known_at_once(database: str) -> None:
    async def question(ring: KeyRing, _: Counted) -> None:
        for number in range(3):
            key = made(database, f"key_{number}", "read")
            assert await ring.find(key.encode()) is not None

    asking(database, question)


def test_a_revoked_key_is_refused_when_the_keys_are_read_again(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = made(database, "web", "read")

    async def question(ring: KeyRing, _: Counted) -> None:
        monkeypatch.setattr(key_ring, "FRESH_S", 3_600.0)
        assert await ring.find(key.encode()) is not None
        revoked(database, "web")
        assert await ring.find(key.encode()) is not None  # the database is spared
        monkeypatch.setattr(key_ring, "FRESH_S", 0.0)
        assert await ring.find(key.encode()) is None

    asking(database, question)


def test_however_many_wrong_keys_are_shown_the_table_is_read_a_few_times(database: str) -> None:
    good = made(database, "web", "read")

    async def question(ring: KeyRing, reads: Counted) -> None:
        assert await ring.find(good.encode()) is not None
        began, before = time.monotonic(), reads.readings
        for _ in range(4):
            keys = (f"wrong_{number}".encode() for number in range(200))
            assert set(await asyncio.gather(*map(ring.find, keys))) == {None}
            assert await ring.find(good.encode()) is not None
        took_s = time.monotonic() - began
        assert reads.readings - before <= took_s / key_ring.PAUSE_S + 1

    asking(database, question)


def test_who_waits_is_answered_though_who_asked_first_has_gone(database: str) -> None:
    key = made(database, "web", "read")

    async def question(ring: KeyRing, _: Counted) -> None:
        gone = asyncio.create_task(ring.find(key.encode()))
        stays = asyncio.create_task(ring.find(key.encode()))
        await asyncio.sleep(0)
        gone.cancel()
        assert await stays is not None

    asking(database, question)


def test_that_a_key_is_used_is_noted_once_a_minute_by_however_many_servers(database: str) -> None:
    key = made(database, "web", "read")
    made(database, "unused", "read")

    async def question(ring: KeyRing, first: Counted) -> None:
        for _ in range(5):
            await ring.find(key.encode())
        await ring.stop()
        assert len(first.changes) == 1

    asking(database, question)
    used = last_used(database)
    assert used["web"] is not None
    assert used["unused"] is None
    asking(database, question)  # another server, which notes it for itself
    assert last_used(database) == used


def test_with_the_database_away_a_made_key_gets_503_and_the_key_of_everything_is_known(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.queries.database.WAIT_S", 0.3)
    monkeypatch.setattr(key_ring, "FRESH_S", 0.0)
    key = made(database, "web", "read")
    with served(database, api_key=OWN) as server, client_with(key, server.url) as client:
        assert client.get("/openapi.json").is_success
        assert client.get("/v1/payments").status_code == 200
        with away(database):
            for shown in (key, "nobody's"):
                answer = server.client.get("/metrics", headers=bearer(shown))
                assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
            assert server.client.get("/metrics", headers=bearer(OWN)).status_code == 200
            assert server.client.get("/healthz", headers=bearer(key)).status_code == 200
        until(lambda: client.get("/v1/payments").status_code == 200)


def test_a_name_is_given_once_and_is_free_again_when_its_key_is_revoked(database: str) -> None:
    made(database, "web", "read")
    assert executed(database, table.create("raphus_x", "web", ["read"])) == []
    revoked(database, "web")
    assert executed(database, table.revoke("web")) == []
    made(database, "web", "admin")
    assert [key.scopes for key in table.read_listed(executed(database, table.listed()))] == [
        ["admin"],
        ["read"],
    ]


def test_there_are_no_more_keys_than_servers_hold(database: str) -> None:
    made(database, "web", "read")
    few = table.create("raphus_x", "more", ["read"])
    few = few._replace(sql=few.sql.replace(str(table.LIVING_MAX), "1"))
    assert executed(database, few) == []


def test_the_table_takes_no_scope_that_there_is_not(database: str) -> None:
    for scopes in ("{}", "{read,root}"):
        with psycopg.connect(database) as conn, pytest.raises(psycopg.errors.CheckViolation):
            conn.execute(
                "INSERT INTO raphus.api_keys (name, prefix, hash, scopes)"
                " VALUES ('x', '', decode(repeat('00', 32), 'hex'), %s::text[])",
                [scopes],
            )


def test_a_reading_that_fails_is_told_to_all_who_wait(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.queries.database.WAIT_S", 0.1)

    async def question(ring: KeyRing, _: Counted) -> None:
        asked = [asyncio.create_task(ring.find(b"wrong")) for _ in range(3)]
        with away(database):
            found = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(one, ApiError) and one.status == 503 for one in found)

    asking(database, question)
