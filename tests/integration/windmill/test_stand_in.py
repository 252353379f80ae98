"""The stand-in for Windmill: it answers as Windmill does, and fails as it is told."""

from __future__ import annotations

import ssl
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.support.waiting import GUARD_S, until
from tests.support.windmill_stand_in import TOKEN, Fault, StandIn, StandInProcess

SCRIPT = "f/raphus/dispute_message"
JOB = "/api/w/shop/jobs_u"
BEARER = {"authorization": f"Bearer {TOKEN}"}
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@pytest.fixture
def windmill() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running


def an_id(number: int = 1) -> str:
    return str(uuid.UUID(int=number))


def start(
    windmill: StandIn,
    job_id: str,
    target: str = f"p/{SCRIPT}",
    **more: Any,  # noqa: ANN401 -- httpx's own
) -> httpx.Response:
    """Start a job as Raphus does."""
    url = f"{windmill.url}/api/w/shop/jobs/run/{target}"
    given: dict[str, Any] = {"params": {"job_id": job_id}, "headers": BEARER, "json": {"a": 1}}
    with httpx.Client(trust_env=False, verify=NO_TLS, timeout=GUARD_S) as client:
        return client.post(url, **(given | more))


def asked(windmill: StandIn, path: str, **more: Any) -> httpx.Response:  # noqa: ANN401
    """Ask about a job as Raphus does."""
    with httpx.Client(trust_env=False, verify=NO_TLS, timeout=GUARD_S) as client:
        return client.get(f"{windmill.url}{JOB}/{path}", **({"headers": BEARER} | more))


@pytest.mark.parametrize("kind", [StandIn, StandInProcess])
def test_a_job_is_accepted_once_under_its_id(kind: type[StandIn]) -> None:
    with kind() as windmill:
        answer = start(windmill, an_id())
        assert (answer.status_code, answer.text) == (201, an_id())
        assert answer.headers["content-type"] == "text/plain"
        again = start(windmill, an_id(), "p/f/raphus/another")
        assert (again.status_code, again.text) == (
            400,
            f"Bad request: Job with id {an_id()} already exists",
        )
        (job,) = windmill.jobs()
        assert (job.id, job.kind, job.path, job.arguments) == (an_id(), "p", SCRIPT, {"a": 1})
        assert asked(windmill, f"get/{an_id()}").json()["id"] == an_id()
        assert [(r.method, r.status) for r in windmill.requests()] == [
            ("POST", 201),
            ("POST", 400),
            ("GET", 200),
        ]


def test_a_process_ends_with_whoever_holds_its_standard_input() -> None:
    with StandInProcess() as windmill:
        assert windmill.process.poll() is None
    assert windmill.process.returncode == 0


def test_of_two_requests_under_way_one_starts_the_job(windmill: StandIn) -> None:
    windmill.behave(delay_s=0.3)
    with ThreadPoolExecutor(2) as pool:
        answers = sorted(
            pool.map(lambda _: start(windmill, an_id()), range(2)), key=lambda a: a.status_code
        )
    assert [answer.status_code for answer in answers] == [201, 400]
    assert answers[1].text.startswith("SqlErr: duplicate key")
    assert len(windmill.jobs()) == 1


def test_the_token_comes_in_a_header_or_in_the_url(windmill: StandIn) -> None:
    in_url = {"job_id": an_id(1), "token": TOKEN}
    assert start(windmill, "", params=in_url, headers={}).status_code == 201
    assert start(windmill, an_id(2), headers={}).status_code == 401
    wrong = {"authorization": "Bearer another"}
    # The header is what counts where there are both.
    assert start(windmill, "", params=in_url, headers=wrong).status_code == 401
    assert asked(windmill, f"get/{an_id(1)}", headers=wrong).status_code == 400
    assert asked(windmill, f"get/{an_id(2)}", headers=wrong).status_code == 404
    windmill.behave(token="another")
    assert start(windmill, an_id(2)).status_code == 401
    assert start(windmill, an_id(2), headers=wrong).status_code == 201


def test_what_is_not_deployed_is_not_found(windmill: StandIn) -> None:
    windmill.behave(deployed=[f"p/{SCRIPT}", "f/f/raphus/a_flow", "h/1a2b3c", "fv/12"])
    for number, target in enumerate([f"p/{SCRIPT}", "f/f/raphus/a_flow", "h/1a2b3c", "fv/12"]):
        assert start(windmill, an_id(number), target).status_code == 201
    missing = start(windmill, an_id(9), f"f/{SCRIPT}")
    assert missing.status_code == 404
    assert SCRIPT in missing.text
    assert [job.kind for job in windmill.jobs()] == ["p", "f", "h", "fv"]


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"json": None, "content": b"{"}, 400),
        ({"params": {"job_id": "one"}}, 400),
        ({"headers": BEARER | {"content-type": "text/xml"}}, 415),
    ],
)
def test_what_windmill_cannot_read_is_refused(
    windmill: StandIn, more: dict[str, Any], status: int
) -> None:
    assert start(windmill, an_id(), **more).status_code == status
    assert windmill.jobs() == []


def test_json_that_is_no_object_is_the_argument_body(windmill: StandIn) -> None:
    start(windmill, an_id(), json=[1, 2])
    assert [job.arguments for job in windmill.jobs()] == [{"body": [1, 2]}]


def test_an_outcome_is_told_once_the_job_has_ended(windmill: StandIn) -> None:
    error = {"name": "ValueError", "message": "no such table", "stack": "line 3"}
    windmill.behave(run_s=3_600, results={SCRIPT: {"sent": True}}, errors={"f/raphus/b": error})
    start(windmill, an_id(1))
    start(windmill, an_id(2), "p/f/raphus/b")
    maybe = "completed/get_result_maybe"
    nothing = {"started": None, "success": None, "completed": False, "result": None}
    # Neither does it tell a job that runs from one that does not exist.
    assert [asked(windmill, f"{maybe}/{an_id(n)}").json() for n in (1, 9)] == [nothing, nothing]
    windmill.behave(run_s=0)
    ended = [asked(windmill, f"{maybe}/{an_id(n)}").json() for n in (1, 2)]
    assert [(one["completed"], one["success"], one["result"]) for one in ended] == [
        (True, True, {"sent": True}),
        (True, False, {"error": error}),
    ]


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("error", 500),
        ("bad_gateway", 502),
        ("too_many", 429),
        ("unavailable", 503),
        ("page", 200),
    ],
)
def test_a_refusal_starts_nothing(windmill: StandIn, fault: Fault, status: int) -> None:
    windmill.behave(retry_after_s=7)
    windmill.fail(fault, path=SCRIPT)
    assert start(windmill, an_id(1), "p/f/raphus/another").status_code == 201
    refused = start(windmill, an_id(2))
    assert refused.status_code == status
    assert refused.headers.get("retry-after") == ("7" if fault == "too_many" else None)
    assert [job.id for job in windmill.jobs()] == [an_id(1)]
    assert start(windmill, an_id(2)).status_code == 201


@pytest.mark.parametrize(
    ("fault", "accepted"),
    [("cut_before", 0), ("cut_after", 1), ("slow", 1), ("gateway_timeout", 1)],
)
def test_a_job_may_be_accepted_though_no_answer_tells_it(
    windmill: StandIn, fault: Fault, accepted: int
) -> None:
    windmill.behave(slow_s=3_600)
    windmill.fail(fault)
    if fault == "gateway_timeout":
        assert start(windmill, an_id()).status_code == 504
    else:
        with pytest.raises(httpx.TransportError):
            start(windmill, an_id(), timeout=0.5)
    until(lambda: len(windmill.jobs()) == accepted)
    assert start(windmill, an_id()).status_code == (400 if accepted else 201)


def test_a_seed_gives_each_request_for_a_job_its_fate() -> None:
    faults = {"error": 0.3, "too_many": 0.3}

    def fates(seed: int, order: list[int]) -> dict[str, list[int]]:
        with StandIn(faults=faults, seed=seed) as windmill:
            for number in order:
                start(windmill, an_id(number))
            seen: dict[str, list[int]] = {}
            for request in windmill.requests():
                seen.setdefault(request.job_id, []).append(request.status)
            return seen

    numbers = list(range(10)) * 2
    first = fates(1, numbers)
    assert first == fates(1, sorted(numbers, reverse=True))
    assert first != fates(2, numbers)
    assert {status for statuses in first.values() for status in statuses} > {500, 429, 201}


def test_a_windmill_that_is_down_comes_back_at_the_same_address(windmill: StandIn) -> None:
    with httpx.Client(trust_env=False, verify=NO_TLS, timeout=GUARD_S) as client:
        client.get(windmill.url)
        windmill.behave(down="refusing")
        with pytest.raises(httpx.TransportError):
            client.get(windmill.url)
    with pytest.raises(httpx.ConnectError):
        start(windmill, an_id())
    windmill.behave(down="unavailable")
    assert start(windmill, an_id()).status_code == 503
    windmill.behave(down="no")
    assert start(windmill, an_id()).status_code == 201


def test_a_job_that_is_deleted_leaves_its_id_free(windmill: StandIn) -> None:
    start(windmill, an_id())
    windmill.forget()
    assert asked(windmill, f"get/{an_id()}").status_code == 404
    assert start(windmill, an_id()).status_code == 201
    until(lambda: len(windmill.jobs()) == 2)
