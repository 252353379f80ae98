"""Sessions: begun by a key, as long as it is one, and nothing that another site could use."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import httpx
import psycopg
import pytest

from api.http.auth import proof_by
from api.keys import key_ring
from api.keys.secret import hash_of
from console.sessions import table, tries
from tests.support.console import signed_in, token_in
from tests.support.http_server import copied, served
from tests.support.keys import bearer, made, revoked
from tests.support.outages import away
from tests.support.samples import samples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.http_server import Served

OWN: Final = "a-key-of-thirty-two-characters-0"
HTML: Final = {"accept": "text/html"}
FROM_ELSEWHERE: Final = {"sec-fetch-site": "cross-site"}
OPENED: Final = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


@pytest.fixture
def server(database: str) -> Iterator[Served]:
    """Serve the test's own database, where a key is asked for."""
    with served(database, api_key=OWN) as running:
        yield running


@pytest.fixture(scope="module")
def shared(cluster: str, template: str) -> Iterator[Served]:
    with copied(cluster, template) as conninfo, served(conninfo, api_key=OWN) as running:
        yield running


@pytest.fixture
def unknown(shared: Served) -> Served:
    """A server that asks for a key, of tests that have none of their own: nobody is signed in."""
    shared.client.cookies.clear()
    return shared


def sign_in(server: Served, key: str, to: str = "/", **headers: str) -> httpx.Response:
    """Give a key as the form of the page does."""
    return server.client.post("/sign-in", data={"key": key, "to": to}, headers=headers)


def sessions(conninfo: str) -> int:
    with psycopg.connect(conninfo) as conn:
        row = conn.execute("SELECT count(*) FROM raphus.console_sessions").fetchone()
    assert row is not None
    return int(row[0])


def test_who_has_not_signed_in_is_led_there_and_back(server: Served) -> None:
    page = "/payments?status=failed&as_of=2026-05-01T00%3A00%3A00Z"
    asked = server.client.get(page)
    assert asked.status_code == 303
    assert asked.headers["location"] == f"/sign-in?{urlencode({'to': page})}"
    form = server.client.get(asked.headers["location"])
    assert form.status_code == 200
    to = re.search('name="to" value="([^"]+)"', form.text)
    assert to is not None
    answer = sign_in(server, OWN, to[1].replace("&amp;", "&"))
    assert (answer.status_code, answer.headers["location"]) == (303, page)
    assert server.client.get(page).status_code == 200


def test_no_script_reads_the_cookie_and_no_other_site_has_it_sent(server: Served) -> None:
    cookie = sign_in(server, OWN).headers["set-cookie"]
    assert re.fullmatch(
        r"raphus_session=[\w-]{43}; Max-Age=604800; Path=/; HttpOnly; SameSite=Strict", cookie
    )
    over_tls = sign_in(server, OWN, origin=server.url.replace("http:", "https:"))
    assert re.fullmatch(r"__Host-raphus_session=.*; Secure", over_tls.headers["set-cookie"])


@pytest.mark.parametrize(
    "to", ["//evil.test", "https://evil.test", "/\\evil.test", "javascript:alert(1)", "", "/\n/x"]
)
def test_signing_in_leads_to_no_other_site(to: str, unknown: Served) -> None:
    assert sign_in(unknown, OWN, to).headers["location"] == "/"


def test_what_is_no_key_is_told_so_and_begins_nothing(server: Served, database: str) -> None:
    for wrong in ("", "nobody's", OWN[:-1], "ÿ"):
        answer = sign_in(server, wrong)
        assert answer.status_code == 401
        assert "That is no API key of this server" in answer.text
        assert "set-cookie" not in answer.headers
    assert sessions(database) == 0


def test_keys_can_be_tried_so_often_and_then_not_even_the_right_one(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tries, "OF_PEER", 2)
    assert [sign_in(server, "wrong").status_code for _ in range(3)] == [401, 401, 429]
    limited = sign_in(server, OWN)
    assert limited.status_code == 429
    assert 0 < int(limited.headers["retry-after"]) <= tries.PEER_REGAINS_S
    assert "set-cookie" not in limited.headers


def test_a_key_that_may_not_read_is_not_let_in(server: Served, database: str) -> None:
    for scope in ("access", "admin"):
        key = made(database, scope, "access" if scope == "access" else "admin")
        answer = sign_in(server, key)
        assert answer.status_code == 401
        assert "may not read" in answer.text


def test_the_session_of_a_revoked_key_is_over(
    server: Served, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_ring, "FRESH_S", 0.0)
    with signed_in(server, made(database, "web", "read")) as client:
        assert client.get("/payments").status_code == 200
        revoked(database, "web")
        assert client.get("/payments").headers["location"].startswith("/sign-in?")


def test_with_another_key_of_everything_its_sessions_are_over(database: str) -> None:
    with served(database, api_key=OWN) as server, signed_in(server, OWN) as client:
        assert client.get("/payments").status_code == 200
        token = client.cookies["raphus_session"]
    cookie = {"cookie": f"raphus_session={token}"}
    with served(database, api_key=OWN) as again:
        assert again.client.get("/payments", headers=cookie).status_code == 200
    with served(database, api_key=OWN[::-1]) as other:
        assert other.client.get("/payments", headers=cookie).status_code == 303


def test_the_table_has_nothing_that_a_key_could_be_tried_against(
    server: Served, database: str
) -> None:
    with signed_in(server, OWN) as client:
        token = client.cookies["raphus_session"]
    with psycopg.connect(database) as conn:
        (row,) = conn.execute("SELECT s::text, owner_proof FROM raphus.console_sessions AS s")
    assert token not in row[0]
    assert hash_of(OWN.encode()).hex() not in row[0]
    assert row[1] == proof_by(OWN.encode(), token.encode())


def test_a_session_is_over_after_its_time(server: Served, database: str) -> None:
    with signed_in(server, OWN) as client:
        with psycopg.connect(database) as conn:
            conn.execute("UPDATE raphus.console_sessions SET ends_at = clock_timestamp()")
        assert client.get("/payments").status_code == 303
    sign_in(server, OWN)
    assert sessions(database) == 1  # what is over is deleted


def test_a_key_has_so_many_sessions_and_the_first_of_more_is_over(
    server: Served, database: str
) -> None:
    with signed_in(server, OWN) as first, signed_in(server, made(database, "x", "read")) as other:
        for _ in range(table.OF_KEY_MAX):
            assert first.get("/products").status_code == 200
            sign_in(server, OWN)
        assert first.get("/products").status_code == 303
        assert other.get("/products").status_code == 200
    assert sessions(database) == table.OF_KEY_MAX + 1


def test_signing_out_ends_the_session_for_whoever_has_the_cookie(
    server: Served, database: str
) -> None:
    with signed_in(server, OWN) as client:
        token = client.cookies["raphus_session"]
        form = {"csrf_token": token_in(client.get("/products").text)}
        answer = client.post("/sign-out", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
        assert "raphus_session" not in client.cookies
        kept = {"cookie": f"raphus_session={token}"}
        assert client.get("/products", headers=kept).status_code == 303
    assert sessions(database) == 0


def test_a_form_without_the_sessions_token_does_nothing(server: Served, database: str) -> None:
    with signed_in(server, OWN) as client, signed_in(server, OWN) as another:
        tokens = [
            {"another": "field"},
            {"csrf_token": ""},
            {"csrf_token": "ÿ"},
            {"csrf_token": token_in(another.get("/products").text)},
            {"csrf_token": client.cookies["raphus_session"]},
        ]
        for form in tokens:
            answer = client.post("/sign-out", data=form)
            assert answer.status_code == 403
            assert "of no session" in answer.text
        right = {"csrf_token": token_in(client.get("/products").text)}
        assert client.post("/sign-out", data=right, headers=FROM_ELSEWHERE).status_code == 403
        assert client.get("/products").status_code == 200
    assert sessions(database) == 2


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"x" * 70_000, "application/x-www-form-urlencoded", 413),
        (b"x" * 2_000_000, "application/x-www-form-urlencoded", 413),
        (b"a=1&" * 40, "application/x-www-form-urlencoded", 400),
        (b"key=%ff", "application/x-www-form-urlencoded", 401),
        (b"\xff", "application/x-www-form-urlencoded", 400),
        (b'{"key": "x"}', "application/json", 400),
    ],
)
def test_what_is_no_form_is_refused(
    content: bytes, kind: str, status: int, unknown: Served
) -> None:
    answer = unknown.client.post("/sign-in", content=content, headers={"content-type": kind})
    assert answer.status_code == status
    assert "<h1>" in answer.text


def test_a_link_of_another_site_leads_on_and_nothing_is_read_for_it(server: Served) -> None:
    with signed_in(server, OWN) as client:
        server.deliver(samples()["payment.succeeded"])
        page = "/payments?status=succeeded"
        link = client.get(page, headers=FROM_ELSEWHERE | OPENED)
        assert link.status_code == 200
        assert link.headers["refresh"] == f"0; url={page}"
        assert "pay_" not in link.text
        for framed in ({}, {"sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}):
            assert client.get(page, headers=FROM_ELSEWHERE | framed).status_code == 403
        assert client.get(page, headers={"sec-fetch-site": "same-origin"}).status_code == 200


def test_a_program_may_show_its_key_to_pages_too(server: Served) -> None:
    assert server.client.get("/payments", headers=bearer(OWN)).status_code == 200
    assert server.client.get("/payments", headers=bearer("wrong")).status_code == 303


def test_while_the_database_is_away_a_page_says_so(
    server: Served, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.queries.database.WAIT_S", 0.3)
    with signed_in(server, OWN) as client, away(database):
        answer = client.get("/payments")
        assert answer.status_code == 503
        assert "The database does not answer" in answer.text
