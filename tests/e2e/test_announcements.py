"""Two servers that are killed again and again: each change of access starts its job once."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest

from postgres.embedded import EmbeddedPostgres
from tests.support.announcing import announced
from tests.support.embedded_users import home_of
from tests.support.program import has_caught_up, posted, program
from tests.support.samples import sample
from tests.support.sender import Supply, sending, simulated
from tests.support.waiting import until
from tests.support.windmill import all_in
from tests.support.windmill_stand_in import StandInProcess

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.program import Program
    from tests.support.windmill_stand_in import Job

ROUTES: Final = """
[[route]]
name = "access"
on = ["access.*"]
script = "f/raphus/access"
"""
ENDS_AFTER: Final = timedelta(seconds=20)
"""Long enough for all that comes before, on a busy machine."""
LATE: Final = timedelta(seconds=30)
"""Generous: what ends is told a second later at the most, where the machine has the time."""


@pytest.mark.long
def test_each_change_of_access_starts_its_job_once_whatever_is_killed(
    migrated_home: Path, tmp_path: Path
) -> None:
    chance, webhooks = random.Random(2), simulated(6, 2)
    routes = tmp_path / "windmill.toml"
    routes.write_text(ROUTES)
    with (
        home_of(None, migrated_home) as home,
        EmbeddedPostgres(home) as postgres,
        StandInProcess() as windmill,
        ExitStack() as stack,
    ):
        settings = {
            **windmill.settings,
            "WINDMILL_ROUTES": str(routes),
            "DATABASE_URL": postgres.url,
        }
        servers = [
            stack.enter_context(program(tmp_path / name, **settings)) for name in ("one", "other")
        ]
        for server in servers:
            server.start()
        until(lambda: has_begun(postgres.url))
        ends_at = datetime.now(UTC) + ENDS_AFTER
        deliver_one_that_ends(servers[0], ends_at)
        until(lambda: announced(postgres.url))
        supply = Supply(webhooks, 0.01)
        with sending(supply, lambda: servers[0].url) as sender:
            for _ in range(3):
                sender.until(len(sender.acknowledged) + chance.randint(5, 15))
                struck = chance.choice(servers)
                struck.kill()
                struck.start()
            supply.end()
        with servers[0].client() as client:
            until(lambda: has_caught_up(client))
        until(lambda: ended(postgres.url) is not None)
        until(
            lambda: all_in(postgres.url, "started", "succeeded", count=len(announced(postgres.url)))
        )
        found, jobs = announced(postgres.url), windmill.jobs()
        check_last(servers[0], found)
        at = ended(postgres.url)
    assert at is not None
    assert ends_at <= at < ends_at + LATE
    assert sorted(map(told, jobs)) == sorted(map(told_by_body, found))
    assert {one["type"] for one in found} == {"access.granted", "access.revoked"}


def deliver_one_that_ends(server: Program, at: datetime) -> None:
    """Deliver a subscription, and that it was cancelled and gives access until an instant."""
    with server.client() as client:
        for word in ("active", "cancelled"):
            body = sample(f"subscription.{word}")
            body["timestamp"] = datetime.now(UTC).isoformat()
            body["data"] |= {
                "subscription_id": "sub_ends",
                "customer": {"customer_id": "cus_ends"},
                "status": word,
                "next_billing_date": at.isoformat(),
                "previous_billing_date": None,
            }
            answer = posted(client, json.dumps(body).encode(), f"msg_ends_{word}")
            assert answer.status_code == 200


def has_begun(conninfo: str) -> bool:
    with psycopg.connect(conninfo) as conn:
        row = conn.execute("SELECT sweep IS NULL FROM raphus.announcing").fetchone()
    return row == (True,)


def ended(conninfo: str) -> datetime | None:
    """Return when it was told that the access has ended by time alone."""
    for one in announced(conninfo):
        if one["data"]["customer_id"] == "cus_ends" and one["type"] == "access.revoked":
            assert one["data"]["cause"]["kind"] == "clock"
            return datetime.fromisoformat(one["timestamp"])
    return None


def told(job: Job) -> tuple[str, str, str]:
    """Return what a job was started for."""
    event, data = job.arguments["event"], job.arguments["data"]
    return event["type"], data["customer_id"], data["text"]


def told_by_body(body: dict[str, Any]) -> tuple[str, str, str]:
    return body["type"], body["data"]["customer_id"], body["data"]["text"]


def check_last(server: Program, found: list[dict[str, Any]]) -> None:
    """Check that each thing was told in turns, and that what was told last is what is answered."""
    sequences: defaultdict[tuple[str, str], list[bool]] = defaultdict(list)
    for one in found:
        data = one["data"]
        sequences[data["customer_id"], data["product_id"]].append(data["access"])
    for (customer, product), turns in sequences.items():
        assert turns == [number % 2 == 0 for number in range(len(turns))]
        if product is not None:
            answer = server.get("/v1/access", customer_id=customer, product_id=product)
            assert answer["access"] is turns[-1]
