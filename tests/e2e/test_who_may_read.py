"""The program as it is after installation, without a word about keys: who may read, and who not."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Final

import pytest

from api.routes import OPERATIONS
from cli.key_file import kept_in
from console.catalogue import PAGES
from tests.support.http_server import copied
from tests.support.plain_proxy import plain_proxy
from tests.support.program import client, posted, program, serving
from tests.support.samples import samples

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.program import Program

PUBLIC: Final = {"/healthz", "/readyz", "/openapi.json"}
BODY: Final = samples()["payment.succeeded"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("unconfigured") / "home"


@pytest.fixture(scope="module")
def conninfo(cluster: str, template: str) -> Iterator[str]:
    with copied(cluster, template) as made:
        yield made


@pytest.fixture(scope="module")
def server(home: Path, conninfo: str) -> Iterator[Program]:
    with serving(home, DATABASE_URL=conninfo) as running:
        yield running


def outcomes(url: str, **headers: str) -> dict[str, tuple[int, str]]:
    """Ask every operation; return each one's status, and the code of its error."""
    answered = {}
    with client(url, **headers) as asking:
        for operation in OPERATIONS:
            path = operation.path.replace("{id:path}", "x")
            answer = asking.request(operation.method, path)
            told = answer.json() if answer.status_code >= 400 else {"error": {"code": ""}}
            answered[operation.path] = (answer.status_code, told["error"]["code"])
    return answered


def test_a_plain_proxy_opens_nothing_but_the_way_in(server: Program) -> None:
    with plain_proxy(server.url) as outside:
        answered = outcomes(outside)
        assert {path for path, (status, _) in answered.items() if status == 200} == PUBLIC
        protected = {outcome for path, outcome in answered.items() if path not in PUBLIC}
        assert protected == {(401, "unauthorized")}
        with client(outside) as dodo:
            assert posted(dodo, BODY, "msg_proxied").status_code == 200


def test_no_page_opens_but_the_door_which_the_key_opens(server: Program) -> None:
    with plain_proxy(server.url) as outside, client(outside) as asking:
        for page in PAGES:
            answer = asking.get(page.path.replace("{id:path}", "x"))
            assert answer.status_code == 303, page.path
            assert answer.headers["location"].startswith("/sign-in")
        assert asking.get("/sign-in").status_code == 200
        assert asking.post("/sign-in", data={"key": server.key}).status_code == 303
        assert asking.get("/payments").status_code == 200


def test_the_key_opens_everything_through_the_proxy_too(server: Program) -> None:
    with plain_proxy(server.url) as outside:
        answered = outcomes(outside, authorization=f"Bearer {server.key}")
    assert {status for status, _ in answered.values()} <= {200, 400, 404}


def test_this_machine_needs_the_key_too(server: Program) -> None:
    answered = outcomes(server.url)
    assert {path for path, (status, _) in answered.items() if status == 200} == PUBLIC


def test_a_page_of_another_site_is_refused_though_its_reader_has_the_key(server: Program) -> None:
    key = {"authorization": f"Bearer {server.key}"}
    for header in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}):
        answered = outcomes(server.url, **key, **header)
        protected = {outcome for path, outcome in answered.items() if path not in PUBLIC}
        assert protected == {(403, "cross_site")}
    own = outcomes(server.url, **key, origin=server.url, **{"sec-fetch-site": "same-origin"})
    assert {status for status, _ in own.values()} <= {200, 400, 404}


def test_it_tells_once_where_the_key_is_and_never_the_key(server: Program, home: Path) -> None:
    assert server.said.count(str(kept_in(home))) == 1
    assert server.key not in server.said
    assert stat.S_IMODE(kept_in(home).stat().st_mode) == 0o600


def test_the_key_stays_when_it_starts_again_and_one_that_is_set_wins(
    tmp_path: Path, conninfo: str
) -> None:
    own = "a-key-of-thirty-two-characters-0"
    with program(tmp_path / "home", DATABASE_URL=conninfo) as server:
        server.start()
        made = server.key
        assert server.stop() == 0
        server.start()
        assert server.key == made
    with serving(tmp_path / "home", DATABASE_URL=conninfo, RAPHUS_API_KEY=own) as server:
        for key, status in ((made, 401), (own, 200)):
            with client(server.url, authorization=f"Bearer {key}") as asking:
                assert asking.get("/v1/payments").status_code == status
    with serving(tmp_path / "other", DATABASE_URL=conninfo, RAPHUS_API_KEY=own):
        assert not kept_in(tmp_path / "other").exists()
