"""Upkeep asked for over HTTP, and held up where a test wants to look at it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from projections.upkeep import jobs
from projections.upkeep.work import VERIFY
from tests.support import prepared
from tests.support.connected import connected
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from projections.upkeep.jobs import Kind


@contextmanager
def forked() -> Iterator[None]:
    """Let servers of this process do upkeep in processes that have the program loaded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("api.upkeep.child", prepared.starting())
        yield


def begun(client: httpx.Client, kind: Kind) -> str:
    """Begin a job, which must be possible, and return its id."""
    response = client.post("/v1/upkeep", params={"kind": kind})
    assert response.status_code == 200, response.text
    id_: str = response.json()["id"]
    return id_


def ended(client: httpx.Client, id_: str) -> Any:  # noqa: ANN401 -- JSON
    """Wait until a job has ended, and return it."""
    found: list[Any] = []

    def has_ended() -> bool:
        items = client.get("/v1/upkeep").json()["items"]
        found[:] = [item for item in items if item["id"] == id_]
        return bool(found)

    until(has_ended)
    return found[0]


@contextmanager
def held_up(conninfo: str) -> Iterator[None]:
    """Let whatever reads the log wait for the end of the block: its writers, too."""
    with connected(conninfo) as conn:
        conn.execute("LOCK TABLE raphus.ledger_events IN ACCESS EXCLUSIVE MODE")
        yield


@contextmanager
def under_way(conninfo: str, *, done: int, total: int) -> Iterator[int]:
    """Let there be a verification that has come so far, as if of another server; give its id."""
    with connected(conninfo, autocommit=True) as conn:
        id_ = jobs.begin(conn, "verify", "ada")
        assert id_ is not None
        jobs.tell(conn, id_, VERIFY, done, total)
        yield id_
