"""Webhooks to endpoints: what is sent, what each answer means, and where nothing is sent."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import pytest
from standardwebhooks import Webhook

from tests.support.certificates import Authority
from tests.support.windmill_stand_in import SECRET, EndpointStandIn
from workflows.limits import LIMITS
from workflows.targets.attempt import Attempt, Meaning
from workflows.targets.endpoint.client import EndpointClient
from workflows.targets.endpoint.declaration import EndpointTarget
from workflows.targets.endpoint.secrets import Signer, Source, new_secret
from workflows.targets.target import Parcel, TargetError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.support.windmill_stand_in import Fault

JOB: Final = UUID(int=1)
BODY: Final = b'{ "type": "payment.succeeded",\n  "data": {"amount": 1.50} }'
PARCEL: Final = Parcel(JOB, "msg_1", BODY)
SIGNER: Final = Signer((Source("text", SECRET),))
LIMITED: Final = LIMITS._replace(timeout_s=5.0)


def sent(
    url: str,
    *parcels: Parcel,
    signer: Signer = SIGNER,
    environ: Mapping[str, str] = {},
    is_private: bool = True,
) -> list[Attempt]:
    """Send webhooks one after the other, and return what came of them."""

    async def run() -> list[Attempt]:
        client = EndpointClient(environ, LIMITED)
        try:
            way = client.way("ours", EndpointTarget(url, signer, is_private))
            return [await way.send(parcel) for parcel in parcels or (PARCEL,)]
        finally:
            await client.close()

    return asyncio.run(run())


def test_a_webhook_is_signed_and_has_the_body_to_the_byte() -> None:
    with EndpointStandIn() as endpoint:
        (attempt,) = sent(f"{endpoint.url}/hooks?shop=1")
        (request,) = endpoint.requests()
    assert (attempt.status, attempt.meaning, attempt.problem) == (204, Meaning.DELIVERED, "")
    assert (request.path, request.query) == ("/hooks", {"shop": "1"})
    assert request.body == BODY
    Webhook(SECRET).verify(request.body, request.headers)
    known = {name: request.headers[name] for name in ("content-type", "webhook-id", "user-agent")}
    assert known == {
        "content-type": "application/json",
        "webhook-id": "msg_1",
        "user-agent": "Raphus",
    }
    assert request.headers["raphus-job"] == str(JOB)
    assert "raphus-replay" not in request.headers
    assert "cookie" not in request.headers
    assert "authorization" not in request.headers


def test_a_replay_has_the_same_webhook_id_and_says_that_it_is_one() -> None:
    with EndpointStandIn() as endpoint:
        sent(endpoint.url, PARCEL, PARCEL._replace(job_id=UUID(int=2), replay=1))
        first, again = endpoint.requests()
        assert len(endpoint.jobs()) == 1
    assert first.headers["webhook-id"] == again.headers["webhook-id"]
    assert again.headers["raphus-replay"] == "1"


def test_while_a_secret_is_replaced_either_verifies(tmp_path: Path) -> None:
    file, old, new = tmp_path / "secret", new_secret(), new_secret()
    signer = Signer((Source("file", str(file)), Source("env", "OLD_SECRET")))
    file.write_text(new + "\n")
    for secret in (old, new):
        with EndpointStandIn(secrets=[secret]) as endpoint:
            (attempt,) = sent(endpoint.url, signer=signer, environ={"OLD_SECRET": old})
            (request,) = endpoint.requests()
        assert attempt.status == 204
        assert len(request.headers["webhook-signature"].split(" ")) == 2


def test_a_file_of_secrets_that_changes_counts_from_the_next_attempt_on(tmp_path: Path) -> None:
    file, secrets = tmp_path / "secret", [new_secret(), new_secret()]
    signer = Signer((Source("file", str(file)),))

    async def run(url: str) -> list[int | None]:
        client, statuses = EndpointClient({}, LIMITED), []
        file.write_text(secrets[0])
        way = client.way("ours", EndpointTarget(url, signer, is_private=True))
        for secret in secrets:
            file.write_text(secret)
            statuses.append((await way.send(PARCEL)).status)
        file.unlink()
        last = await way.send(PARCEL)
        assert (last.status, last.meaning) == (None, Meaning.AWAY)
        assert last.answer == "nothing sent: secret: No such file or directory"
        await client.close()
        return statuses

    with EndpointStandIn(secrets=[secrets[1]]) as endpoint:
        assert asyncio.run(run(endpoint.url)) == [401, 204]
        assert len(endpoint.requests()) == 2


def test_without_a_secret_there_is_no_way() -> None:
    with pytest.raises(TargetError, match="NOT_THERE is not set in the environment of the server"):
        sent("https://example.com", signer=Signer((Source("env", "NOT_THERE"),)))


@pytest.mark.parametrize(
    ("fault", "status", "meaning", "told"),
    [
        ("error", 500, Meaning.FAILED, "it answers 500"),
        ("invalid", 400, Meaning.FAILED, "it answers 400"),
        ("too_large", 413, Meaning.FAILED, "it answers 413"),
        ("unavailable", 503, Meaning.AWAY, "it answers 503"),
        ("gateway_timeout", 504, Meaning.AWAY, "it answers 504"),
        ("unauthorized", 401, Meaning.AWAY, "it answers 401: it does not accept the signature"),
        ("redirect", 308, Meaning.AWAY, "it answers 308: a redirect, which is not followed"),
        ("gone", 410, Meaning.GONE, "it answers 410: it wants no webhooks any more"),
        ("cut_before", None, Meaning.AWAY, "no answer: ServerDisconnectedError"),
    ],
)
def test_what_an_answer_means(
    fault: Fault, status: int | None, meaning: Meaning, told: str
) -> None:
    with EndpointStandIn() as endpoint:
        endpoint.fail(fault)
        (attempt,) = sent(endpoint.url)
        assert len(endpoint.requests()) == 1
    assert (attempt.status, attempt.meaning) == (status, meaning)
    assert attempt.told.startswith(told)


def test_an_endpoint_says_when_it_wants_the_webhook_again() -> None:
    with EndpointStandIn(retry_after_s=7) as endpoint:
        endpoint.fail("too_many")
        (attempt,) = sent(endpoint.url)
    assert (attempt.meaning, attempt.retry_after_s) == (Meaning.AWAY, 7.0)


def test_a_page_of_html_is_told_though_the_webhook_counts_as_delivered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with EndpointStandIn() as endpoint:
        endpoint.fail("page", 2)
        attempts = sent(endpoint.url, PARCEL, PARCEL, PARCEL)
    odd = "the endpoint answered 200 with a page of HTML: is it the right address?"
    assert [one.meaning for one in attempts] == [Meaning.DELIVERED] * 3
    assert [one.problem for one in attempts] == [f"delivered, but {odd}"] * 2 + [""]
    assert caplog.messages == [f"route ours: {odd}"]


@pytest.mark.parametrize("fault", ["endless", "drip"])
def test_an_answer_without_an_end_is_read_no_longer_than_its_status_needs(fault: Fault) -> None:
    with EndpointStandIn() as endpoint:
        endpoint.fail(fault)
        attempts = sent(endpoint.url, PARCEL, PARCEL)
    assert [one.status for one in attempts] == [200, 204]
    assert {one.meaning for one in attempts} == {Meaning.DELIVERED}
    assert attempts[0].took_ms < LIMITED.timeout_s * 1_000
    assert len(attempts[0].answer) <= 500


def test_an_answer_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "LIMITED", LIMITS._replace(timeout_s=0.5))
    with EndpointStandIn(slow_s=60.0) as endpoint:
        endpoint.fail("slow")
        (attempt,) = sent(endpoint.url)
    assert (attempt.status, attempt.meaning) == (None, Meaning.AWAY)
    assert attempt.answer == "no answer within 0.5 s"


def test_a_host_that_does_not_resolve_is_told() -> None:
    (attempt,) = sent("https://nowhere.invalid/hooks")
    assert (attempt.status, attempt.meaning) == (None, Meaning.AWAY)
    assert attempt.answer.startswith("nothing sent: ClientConnectorDNSError: ")


def test_a_name_that_leads_into_our_own_network_gets_nothing() -> None:
    with EndpointStandIn() as endpoint:
        url = endpoint.url.replace("http://127.0.0.1", "https://localhost")
        (attempt,) = sent(url, is_private=False)
        assert endpoint.requests() == []
    assert (attempt.status, attempt.meaning) == (None, Meaning.AWAY)
    assert attempt.answer.startswith("nothing sent: localhost leads to ")
    assert attempt.answer.endswith("a loopback address; private = true in the route allows it")


def test_what_is_connected_to_is_what_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[str] = []
    lead = ["127.0.0.1", "169.254.169.254", "127.0.0.1"]

    def look_up(host: str, port: int, *_: object) -> list[Any]:
        looked_up.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (lead[len(looked_up) - 1], port))]

    with EndpointStandIn() as endpoint:
        url = endpoint.url.replace("127.0.0.1", "hooks.example")
        endpoint.fail("cut_before")  # so that another connection is made for what comes next
        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        cut, refused, taken, kept = sent(url, PARCEL, PARCEL, PARCEL, PARCEL)
        monkeypatch.undo()
        hosts = {request.headers["host"].partition(":")[0] for request in endpoint.requests()}
        assert len(endpoint.requests()) == 3
    # A connection that is kept open needs no name; each other has looked it up once.
    assert looked_up == ["hooks.example"] * 3
    assert hosts == {"hooks.example"}
    assert [one.status for one in (cut, refused, taken, kept)] == [None, None, 204, 204]
    assert refused.answer == (
        "nothing sent: hooks.example leads to 169.254.169.254, a link-local address"
    )


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def test_a_certificate_is_verified_against_the_name(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        EndpointStandIn(tls=authority.server("DNS:localhost")) as right,
        EndpointStandIn(tls=authority.server("DNS:elsewhere.example")) as wrong,
    ):
        here, there = (one.url.replace("127.0.0.1", "localhost") for one in (right, wrong))
        (unknown,) = sent(here)
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        (taken,), (refused,) = sent(here), sent(there)
        assert (len(right.requests()), wrong.requests()) == (1, [])
    assert taken.status == 204
    for attempt in (unknown, refused):
        assert (attempt.status, attempt.meaning) == (None, Meaning.AWAY)
        assert attempt.answer.startswith("nothing sent: ClientConnectorCertificateError: ")


def test_no_proxy_of_the_environment_comes_between(monkeypatch: pytest.MonkeyPatch) -> None:
    with EndpointStandIn() as proxy, EndpointStandIn() as endpoint:
        monkeypatch.setenv("http_proxy", proxy.url)
        (attempt,) = sent(endpoint.url)
        assert proxy.requests() == []
    assert attempt.status == 204
