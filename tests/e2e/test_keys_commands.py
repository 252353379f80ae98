"""Keys on the command line while servers run: made, used, listed and revoked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from api.http.scopes import SCOPES
from tests.support.http_server import asked, copied
from tests.support.keys import bearer
from tests.support.program import client, environment, posted, raphus, serving
from tests.support.samples import sample
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from subprocess import CompletedProcess

    from tests.support.program import Program


@pytest.fixture(scope="module")
def conninfo(cluster: str, template: str) -> Iterator[str]:
    with copied(cluster, template) as made:
        yield made


@pytest.fixture(scope="module")
def pair(conninfo: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Program]]:
    """Two servers on one database."""
    folder = tmp_path_factory.mktemp("pair")
    with (
        serving(folder / "one", DATABASE_URL=conninfo) as one,
        serving(folder / "other", DATABASE_URL=conninfo) as other,
    ):
        yield [one, other]


@pytest.fixture
def keys(conninfo: str, tmp_path: Path) -> Keys:
    return Keys(environment(tmp_path / "home", DATABASE_URL=conninfo))


class Keys:
    """`raphus keys`."""

    def __init__(self, env: dict[str, str]) -> None:
        self._env = env

    def run(self, *arguments: str) -> CompletedProcess[str]:
        return raphus("keys", *arguments, env=self._env)

    def create(self, *arguments: str) -> str:
        done = self.run("create", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.removesuffix("\n")

    def listed(self) -> dict[str, dict[str, Any]]:
        done = self.run("list", "--json")
        assert done.returncode == 0, done.stderr
        return {key["name"]: key for key in json.loads(done.stdout)["items"]}


def status(server: Program, key: str, path: str = "/v1/payments") -> int:
    with client(server.url, **bearer(key)) as asking:
        return asking.get(path).status_code


def test_a_key_is_made_used_and_revoked_while_two_servers_run(
    pair: list[Program], keys: Keys
) -> None:
    key = keys.create("web", "--scope", "read")
    assert [status(server, key) for server in pair] == [200, 200]
    until(lambda: keys.listed()["web"]["last_used_at"] is not None)
    listed = keys.run("list").stdout
    assert key[:13] in listed
    assert key not in listed + json.dumps(keys.listed())
    done = keys.run("revoke", "web")
    assert (done.returncode, done.stdout) == (0, "revoked web: servers refuse it within 2 s\n")
    for server in pair:
        until(lambda server=server: status(server, key) == 401)  # type: ignore[misc]
        assert status(server, server.key) == 200
        assert key not in server.said
    assert keys.listed()["web"]["revoked_at"] is not None


def test_a_key_outlives_the_server_and_a_revocation_too(pair: list[Program], keys: Keys) -> None:
    server = pair[0]
    stays, goes = (keys.create(name, "--scope", "read") for name in ("stays", "goes"))
    assert status(server, goes) == 200
    server.kill()
    assert keys.run("revoke", "goes").returncode == 0
    server.start()
    assert (status(server, stays), status(server, goes)) == (200, 401)


def test_a_key_sees_the_business_that_it_is_bound_to(pair: list[Program], keys: Keys) -> None:
    position = "0"
    for business in ("bus_a", "bus_b"):
        body = json.dumps(sample("payment.succeeded") | {"business_id": business}).encode()
        with pair[1].client() as dodo:
            position = posted(dodo, body, f"msg_{business}").json()["position"]
    bound = keys.create("bound", "--scope", "personal", "--scope", "admin", "--business", "bus_a")
    with client(pair[0].url, **bearer(bound)) as asking:
        items = asked(asking, "/v1/payments", min_position=position)["items"]
        assert [item["business_id"] for item in items] == ["bus_a"]
        assert asking.get("/v1/events/msg_bus_a").json()["body"]
        assert asking.get("/v1/events/msg_bus_b").status_code == 404
        assert asking.get("/metrics").status_code == 403
    assert keys.listed()["bound"]["business_id"] == "bus_a"
    assert keys.listed()["bound"]["scopes"] == ["personal", "admin"]


@pytest.mark.parametrize("scopes", [["write"], ["read", "root"], [""]])
def test_an_unknown_scope_is_refused_with_those_that_there_are(
    scopes: list[str], keys: Keys
) -> None:
    done = keys.run("create", "wrong", *(word for one in scopes for word in ("--scope", one)))
    assert done.returncode == 2
    assert ", ".join(SCOPES) in done.stderr
    assert "wrong" not in keys.listed()


def test_what_cannot_be_done_is_told(keys: Keys) -> None:
    keys.create("twice", "--scope", "read")
    again = keys.run("create", "twice", "--scope", "read")
    assert (again.returncode, again.stdout) == (1, "")
    assert "revoke it first" in again.stderr
    nobody = keys.run("revoke", "nobody")
    assert nobody.returncode == 1
    assert "raphus keys list" in nobody.stderr
    assert keys.run("create", "no-scope").returncode == 2
    assert json.loads(keys.run("create", "other", "--scope", "read", "--json").stdout).keys() == {
        "name",
        "key",
    }
