"""The client: which way a request takes, and when it is to come again."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from api.windmill.sending.address import Address
from api.windmill.sending.client import RETRY_AFTER_MAX_S, Client, Meaning, _retry_after_s
from tests.windmill_stand_in import TOKEN, StandIn

if TYPE_CHECKING:
    from api.windmill.sending.client import Attempt

JOB = UUID(int=1)


def started(base_url: str) -> Attempt:
    """Start a job, and return what came of it."""

    async def run() -> Attempt:
        client = Client(1, timeout_s=10.0)
        try:
            address = Address(f"{base_url}/api/w/shop", "run/p/f/raphus/one", TOKEN)
            return await client.start(address, JOB, b"{}")
        finally:
            await client.close()

    return asyncio.run(run())


def test_a_proxy_of_the_environment_is_used_for_other_machines_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with StandIn() as proxy, StandIn() as windmill:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "inside.example")
        assert started("http://outside.example").status == 404
        assert started(windmill.url).meaning is Meaning.STARTED
        (passed_on,) = proxy.requests()
        assert passed_on.path == "http://outside.example/api/w/shop/jobs/run/p/f/raphus/one"
        assert len(windmill.jobs()) == 1


def test_a_host_that_does_not_exist_is_no_answer() -> None:
    attempt = started("http://nowhere.invalid")
    assert (attempt.status, attempt.meaning) == (None, Meaning.AWAY)
    assert attempt.answer.startswith("no answer: Client")


def test_when_to_come_again_is_told_in_seconds_or_as_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert 90 < (_retry_after_s(later) or 0) <= 100
    earlier = format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True)
    told = ["7", "0", earlier, "9" * 400, "-1", "soon", "", "1.5", "٣"]
    assert [_retry_after_s(one) for one in told] == [
        7.0,
        0.0,
        0.0,
        RETRY_AFTER_MAX_S,
        None,
        None,
        None,
        None,
        None,
    ]
