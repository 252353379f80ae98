"""The way into the running program: who is let in, who is not, and what is written about it."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import pytest
from standardwebhooks import Webhook

from api.webhooks.endpoint import PATH
from tests.support.embedded_users import home_of
from tests.support.evidence import quoted
from tests.support.http_server import SECRET, asked, signed
from tests.support.program import Program, has_caught_up, posted, serving
from tests.support.program import client as client_of
from tests.support.samples import rehearsals, samples
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NEW_SECRET = "whsec_" + base64.b64encode(b"the secret that replaces it").decode()
FOREIGN_SECRET = "whsec_" + base64.b64encode(b"a secret of somebody else's").decode()
KEY = "a-key-of-thirty-two-characters-0"
BODY = samples()["payment.succeeded"]
MIB = 2**20


@pytest.fixture(scope="module")
def server(migrated_home: Path) -> Iterator[Program]:
    """A server in the middle of a rotation, whose key stands in a file."""
    with home_of(None, migrated_home) as home:
        key_file = home.with_name("key")
        key_file.write_text(f"{KEY}\n", "utf-8")
        secrets = f"{NEW_SECRET}, {SECRET}"
        with serving(
            home, DODO_PAYMENTS_WEBHOOK_KEY=secrets, RAPHUS_API_KEY_FILE=str(key_file)
        ) as running:
            yield running


@pytest.fixture
def client(server: Program) -> Iterator[httpx.Client]:
    with server.client(authorization=f"Bearer {KEY}") as made:
        yield made


def error(response: httpx.Response) -> tuple[int, str]:
    """Return the status and the code of a refusal, which has the shape of all errors."""
    (problem,) = response.json().values()
    assert response.json() == {"error": problem}
    assert problem.keys() == {"code", "message", "details"}
    return response.status_code, problem["code"]


def stored(client: httpx.Client) -> int:
    return int(asked(client, "/readyz")["log_position"])


def forgeries() -> dict[str, tuple[httpx.Headers, bytes]]:
    """Make requests that nobody who is trusted has signed, by what is wrong with them."""
    good = signed(BODY, "msg_forged")
    old = datetime.now(UTC) - timedelta(minutes=6)
    sent_at = str(int(old.timestamp()))
    stale = Webhook(SECRET).sign("msg_forged", old, BODY.decode())
    made = {
        "no headers": ({}, BODY),
        "no signature": ({**good, "webhook-signature": ""}, BODY),
        "no base64": ({**good, "webhook-signature": "v1,é?"}, BODY),
        "another secret": (signed(BODY, "msg_forged", FOREIGN_SECRET), BODY),
        "another body": (good, BODY.replace(b"succeeded", b"succeedeD")),
        "another id": ({**good, "webhook-id": "msg_other"}, BODY),
        "too old": ({**good, "webhook-timestamp": sent_at, "webhook-signature": stale}, BODY),
        "no time": ({**good, "webhook-timestamp": "now"}, BODY),
        "no text": (good, b"\xff" + BODY),
    }
    return {
        wrong: (httpx.Headers(headers, encoding="utf-8"), body)
        for wrong, (headers, body) in made.items()
    }


@pytest.mark.parametrize("wrong", forgeries())
def test_what_is_not_verified_is_refused_and_not_stored(client: httpx.Client, wrong: str) -> None:
    headers, body = forgeries()[wrong]
    before = stored(client)
    assert error(client.post(PATH, content=body, headers=headers)) == (401, "unverified")
    assert stored(client) == before


def test_while_secrets_rotate_both_are_accepted(client: httpx.Client) -> None:
    for number, secret in enumerate((NEW_SECRET, SECRET)):
        assert posted(client, BODY, f"msg_rotation_{number}", secret).status_code == 200
    assert posted(client, BODY, "msg_rotation_2", FOREIGN_SECRET).status_code == 401


def test_a_body_may_have_a_mebibyte_and_no_byte_more(client: httpx.Client) -> None:
    before = stored(client)
    assert error(posted(client, b" " * (MIB + 1), "msg_large")) == (413, "too_large")
    assert stored(client) == before
    assert posted(client, BODY.ljust(MIB), "msg_large").status_code == 200


def test_reading_needs_the_key_and_delivering_does_not(server: Program) -> None:
    paths = ["/v1/payments", "/v1/events/msg_1", "/v1/customers/cus_1", "/v1/refusals", "/metrics"]
    for wrong in ({}, {"authorization": f"Bearer {KEY[:-1]}"}, {"authorization": f"Basic {KEY}"}):
        with client_of(server.url, **wrong) as stranger:
            for path in paths:
                response = stranger.get(path)
                assert error(response) == (401, "unauthorized")
                assert "www-authenticate" in response.headers
            assert posted(stranger, BODY, "msg_keyless").status_code == 200
            assert stranger.get("/readyz").status_code == 200


def test_nothing_private_is_written_to_the_log(server: Program, client: httpx.Client) -> None:
    bodies = [*samples().values(), *rehearsals().values()]
    for number, body in enumerate(bodies):
        assert posted(client, body, f"msg_private_{number}").status_code == 200
        assert posted(client, body, f"msg_private_{number}", FOREIGN_SECRET).status_code == 401
    for headers, body in forgeries().values():
        assert client.post(PATH, content=body, headers=headers).status_code == 401
    until(lambda: has_caught_up(client))
    said = server.said
    assert "a webhook was refused: 401, no signature matches" in said
    for secret in (SECRET, NEW_SECRET, FOREIGN_SECRET, KEY):
        assert secret.removeprefix("whsec_") not in said
    assert re.findall(r"\S+@\S+", said) == []
    assert quoted(said, bodies) == set()
    assert "msg_private" not in said
    assert "Traceback" not in said
