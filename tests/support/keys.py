"""API keys of a server under test: made in its table, and clients that show them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from api.keys import table
from api.keys.secret import new_key
from tests.support import program
from tests.support.connected import connected

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from api.http.scopes import Scope
    from postgres.statement import Row, Statement


def executed(conninfo: str, statement: Statement) -> list[Row]:
    """Run a statement on the keys, committed."""
    with connected(conninfo) as conn:
        return conn.execute(statement.sql.encode(), statement.params).fetchall()


def made(conninfo: str, name: str, *scopes: Scope, business_id: str | None = None) -> str:
    """Make a key, and return it."""
    key = new_key()
    assert executed(conninfo, table.create(key, name, scopes, business_id)) == [(name,)]
    return key


def revoked(conninfo: str, name: str) -> None:
    """Revoke a key."""
    assert executed(conninfo, table.revoke(name)) == [(name,)]


def bearer(key: str) -> dict[str, str]:
    """Return the header that shows a key."""
    return {"authorization": f"Bearer {key}"}


@contextmanager
def client_with(key: str, url: str) -> Iterator[httpx.Client]:
    """Give a client that shows a key with every request."""
    with program.client(url, **bearer(key)) as client:
        yield client
