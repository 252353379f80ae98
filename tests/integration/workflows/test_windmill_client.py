"""The client: which way a request takes, what an answer means, and when it is to come again."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from tests.support.windmill_stand_in import TOKEN, WORKSPACE, StandIn
from workflows.limits import LIMITS
from workflows.targets.attempt import Meaning
from workflows.targets.http_answers import RETRY_AFTER_MAX_S, retry_after_s
from workflows.targets.surroundings import Windmill
from workflows.targets.target import Parcel
from workflows.targets.windmill.client import WindmillClient
from workflows.targets.windmill.declaration import WindmillTarget

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.windmill_stand_in import Fault
    from workflows.targets.attempt import Attempt
    from workflows.targets.target import Outcome, Way

JOB = UUID(int=1)


SCRIPT = "f/raphus/one"


def started(base_url: str) -> Attempt:
    """Start a job, and return what came of it."""

    async def run() -> Attempt:
        async with way_to(base_url) as way:
            return await way.send(Parcel(JOB, "msg_1", b"{}"))

    return asyncio.run(run())


def ended(base_url: str) -> Outcome | None:
    """Ask for the job's outcome."""

    async def run() -> Outcome | None:
        async with way_to(base_url) as way:
            return await way.outcome(JOB)

    return asyncio.run(run())


@asynccontextmanager
async def way_to(base_url: str) -> AsyncIterator[Way]:
    """Give the way to a script, for as long as the block lasts."""
    client = WindmillClient(Windmill(base_url, WORKSPACE, TOKEN), LIMITS._replace(timeout_s=10.0))
    try:
        yield client.way("one", WindmillTarget(f"run/p/{SCRIPT}"))
    finally:
        await client.close()


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
    assert attempt.answer.startswith("nothing sent: Client")


@pytest.mark.parametrize("reads", ["all", "hidden", "anonymous", "blocked"])
def test_a_job_that_is_there_is_started_whether_the_token_may_see_it_or_not(reads: str) -> None:
    with StandIn(reads=reads) as windmill:
        assert started(windmill.url).status == 201
        again = started(windmill.url)
        assert (again.status, again.meaning) == (400, Meaning.STARTED)


@pytest.mark.parametrize(
    ("reads", "status", "meaning"),
    [
        ("hidden", 400, Meaning.REFUSED),
        ("anonymous", 400, Meaning.REFUSED),
        # Whether the job is there cannot be told, for it is not Windmill that answers.
        ("blocked", None, Meaning.AWAY),
    ],
)
def test_a_job_that_is_not_there_is_not_started_by_a_token_without_rights(
    reads: str, status: int | None, meaning: Meaning
) -> None:
    with StandIn(reads=reads) as windmill:
        windmill.fail("invalid")
        attempt = started(windmill.url)
        assert (attempt.status, attempt.meaning) == (status, meaning)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("quota", "it answers 400: a limit of its plan is reached"),
        ("licence", "it answers 400: its licence is not valid"),
        ("scope", "it answers 400: the token lacks a scope"),
    ],
)
def test_what_each_job_would_be_told_is_not_about_this_one(fault: Fault, told: str) -> None:
    with StandIn() as windmill:
        windmill.fail(fault)
        attempt = started(windmill.url)
        assert (attempt.meaning, attempt.told) == (Meaning.AWAY, told)
        assert started(windmill.url).status == 201
        # It is said before the id is looked at.
        windmill.fail(fault)
        assert started(windmill.url).meaning is Meaning.STARTED


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        ({"token": "another"}, "it answers 401: it does not know the token"),
        ({"failing": {"{}": "forbidden"}}, "it answers 403: the token may not do that"),
        ({"failing": {"{}": "unavailable"}}, "it answers 503"),
    ],
)
def test_a_log_is_told_what_is_wrong_and_no_word_of_the_answer(
    behaviour: dict[str, Any], told: str
) -> None:
    with StandIn(**behaviour) as windmill:
        assert started(windmill.url).told == told


def test_neither_logs_nor_code_come_with_the_question_whether_a_job_is_there() -> None:
    with StandIn() as windmill:
        started(windmill.url)
        started(windmill.url)
        *_, asked = windmill.requests()
    assert asked.method == "GET"
    assert asked.query == {"no_logs": "true", "no_code": "true"}


def test_a_flow_that_was_skipped_has_succeeded() -> None:
    with StandIn(
        skipped=[SCRIPT], results={SCRIPT: {"error": {"message": "no stock"}}}
    ) as windmill:
        started(windmill.url)
        assert ended(windmill.url) == (True, None)


def test_a_job_that_failed_has_not_been_skipped() -> None:
    with StandIn(errors={SCRIPT: {"name": "ValueError", "message": "no"}}) as windmill:
        started(windmill.url)
        assert ended(windmill.url) == (False, "ValueError: no")


def test_when_to_come_again_is_told_in_seconds_or_as_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert 90 < (retry_after_s(later) or 0) <= 100
    earlier = format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True)
    told = ["7", "0", earlier, "9" * 400, "-1", "soon", "", "1.5", "٣"]
    assert [retry_after_s(one) for one in told] == [
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
