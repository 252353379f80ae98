"""Upkeep over HTTP: what is found, one at a time, cancelled, killed, and with the server's end."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest
from rich.console import Console

from cli.commands.verify import verified
from cli.settings import Settings
from projections.read_models.catalogue import READ_MODELS
from projections.rebuild.kept_sums import kept_beside
from projections.upkeep.jobs import KEPT_MAX
from telemetry import child
from tests.support.histories import said
from tests.support.http_server import SECRET, served
from tests.support.keys import client_with, made
from tests.support.projected import few_payouts, project, record, shown, simulated
from tests.support.tampered import changed, tamper
from tests.support.upkeep import begun, ended, forked, held_up
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.http_server import CopyOf, Served

KEY: Final = "a-key-of-thirty-two-characters-0"
DIFFER: Final = "UPDATE raphus.payments SET currency = 'XXX'"


def lived(conninfo: str) -> None:
    record(conninfo, few_payouts(simulated(2)))
    project(conninfo)


@pytest.fixture(scope="module", autouse=True)
def loaded() -> Iterator[None]:
    """Load the program once for all upkeep."""
    with forked():
        yield


@pytest.fixture
def shop(copy_of: CopyOf) -> Iterator[tuple[Served, str]]:
    """Serve a merchant whose log is in order."""
    with copy_of(lived) as conninfo, served(conninfo) as server:
        yield server, conninfo


def running(server: Served) -> Any:  # noqa: ANN401 -- JSON
    return server.get("/v1/upkeep")["running"]


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """The processes that servers of this test have started for upkeep, as a user's starts them."""
    found: list[subprocess.Popen[bytes]] = []

    def noted(module: str, task: bytes, **more: Any) -> subprocess.Popen[bytes]:  # noqa: ANN401
        found.append(child.start(module, task, **more))
        return found[-1]

    monkeypatch.setattr("api.upkeep.child", SimpleNamespace(**{**vars(child), "start": noted}))
    return found


def test_a_log_that_is_whole_is_told_so_with_its_head(shop: tuple[Served, str]) -> None:
    server, _ = shop
    assert server.get("/v1/upkeep") == {"running": None, "items": []}
    job = ended(server.client, begun(server.client, "verify"))
    position = server.get("/readyz")["log_position"]
    assert (job["outcome"], job["problem"], job["read_models"]) == ("well", None, None)
    assert job["log"]["events"] == int(position)
    assert job["log"]["head"].startswith(f"{position}:")
    assert (job["phase"], job["done"], job["total"]) == ("verify", int(position), int(position))
    assert job["began_at"] < job["ended_at"]


def test_signatures_are_checked_as_the_command_checks_them(database: str, tmp_path: Path) -> None:
    record(database, few_payouts(simulated(2)))  # whose signatures are none
    with served(database) as server:
        position = server.deliver(said("subscription.active", subscription_id="sub_1").body)
        job = ended(server.client, begun(server.client, "verify"))
    settings = Settings(home=tmp_path, database_url=database, webhook_keys=(SECRET,))
    ours = verified(settings, Console(file=StringIO()), None, signatures=True).signatures
    assert ours is not None
    assert job["outcome"] == "well"
    assert job["log"]["signatures"] == {
        "verified": 1,
        "unverified": int(position) - 1,
        "erased": 0,
        "first_unverified": [
            {"position": str(one.position), "problem": one.reason} for one in ours.first_unverified
        ],
    }
    assert (ours.verified, ours.unverified) == (1, int(position) - 1)


def test_the_first_thing_wrong_with_a_log_is_told(shop: tuple[Served, str]) -> None:
    server, database = shop
    tamper(database, changed("webhook_id = 'msg_forged'", position=5))
    job = ended(server.client, begun(server.client, "verify"))
    assert (job["outcome"], job["log"]["events"]) == ("wrong", 4)
    assert job["log"]["fault"]["position"] == "5"
    assert "webhook_id" in job["log"]["fault"]["problem"]


def test_a_check_tells_what_differs_and_a_rebuild_mends_it(shop: tuple[Served, str]) -> None:
    server, database = shop
    before = shown(database)
    with psycopg.connect(database) as conn:
        payments = conn.execute(DIFFER).rowcount
    tampered = shown(database)
    checked = ended(server.client, begun(server.client, "rebuild_check"))
    assert checked["outcome"] == "wrong"
    tables = {one["table"]: one for one in checked["read_models"]["tables"]}
    assert tables.keys() == {
        *(model.table for model in READ_MODELS),
        "folds",
        *kept_beside(READ_MODELS),
    }
    assert [name for name, one in tables.items() if not one["equal"]] == ["payments"]
    assert tables["payments"]["changed"]["rows"] == payments
    assert shown(database) == tampered
    assert ended(server.client, begun(server.client, "rebuild"))["outcome"] == "mended"
    assert shown(database) == before
    again = ended(server.client, begun(server.client, "rebuild_check"))
    assert again["outcome"] == "well"


def test_one_runs_at_a_time_over_all_servers(shop: tuple[Served, str]) -> None:
    server, database = shop
    with served(database) as other, ThreadPoolExecutor(4) as pool:
        with held_up(database):
            asked = [
                pool.submit(one.client.post, "/v1/upkeep", params={"kind": kind})
                for one in (server, other)
                for kind in ("verify", "rebuild_check")
            ]
            answers = [one.result() for one in asked]
            assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
            (first,) = [answer.json() for answer in answers if answer.status_code == 200]
            for one in (server, other):
                assert running(one)["id"] == first["id"]
                response = one.client.post("/v1/upkeep", params={"kind": "rebuild"})
                assert response.status_code == 409
                assert response.json()["error"]["details"]["kind"] == first["kind"]
        assert ended(other.client, first["id"])["outcome"] == "well"
    assert len(server.get("/v1/upkeep")["items"]) == 1


def test_it_is_kept_who_began_it(database: str) -> None:
    key = made(database, "ada", "read", "admin")
    with served(database, api_key=KEY) as server, client_with(key, server.url) as client:
        job = ended(client, begun(client, "verify"))
        assert (job["place"], job["key"]) == ("server", "ada")
        with client_with(KEY, server.url) as owner:
            assert ended(owner, begun(owner, "verify"))["key"] is None


def test_one_that_is_cancelled_changes_nothing(shop: tuple[Served, str]) -> None:
    server, database = shop
    with psycopg.connect(database) as conn:
        conn.execute(DIFFER)
    tampered = shown(database)
    with held_up(database):
        id_ = begun(server.client, "rebuild")
        response = server.client.delete(f"/v1/upkeep/{id_}")
        assert (response.status_code, response.json()["cancelling"]) == (200, True)
    job = ended(server.client, id_)
    assert (job["outcome"], job["problem"], job["cancelling"]) == ("cancelled", None, False)
    assert shown(database) == tampered
    assert server.client.delete(f"/v1/upkeep/{id_}").json() == job
    assert server.client.delete("/v1/upkeep/12345").status_code == 404
    assert server.client.delete("/v1/upkeep/x").status_code == 404


def test_one_that_is_killed_is_told_so_and_the_next_one_runs(
    shop: tuple[Served, str], processes: list[subprocess.Popen[bytes]]
) -> None:
    server, database = shop
    with psycopg.connect(database) as conn:
        conn.execute(DIFFER)
    tampered = shown(database)
    with held_up(database):
        id_ = begun(server.client, "rebuild")
        processes[0].kill()
        until(lambda: running(server) is None)
    job = ended(server.client, id_)
    assert job["outcome"] == "failed"
    assert "did not come to its end" in job["problem"]
    assert shown(database) == tampered
    # The database notices a moment later that who held its locks is gone.
    until(lambda: server.client.post("/v1/upkeep", params={"kind": "rebuild"}).status_code == 200)
    until(lambda: running(server) is None)
    assert server.get("/v1/upkeep")["items"][0]["outcome"] == "mended"
    assert ended(server.client, id_)["problem"] == job["problem"]


@pytest.mark.long
def test_the_end_of_the_server_is_the_end_of_what_it_began(
    database: str, processes: list[subprocess.Popen[bytes]]
) -> None:
    record(database, few_payouts(simulated(1)))
    project(database)
    with held_up(database), served(database) as server:
        id_ = begun(server.client, "verify")
    assert [process.poll() is None for process in processes] == [False]
    with served(database) as server:
        job = ended(server.client, id_)
        assert job["outcome"] == "failed"
        assert "stopped" in job["problem"]


def test_only_the_last_of_each_kind_are_kept(shop: tuple[Served, str]) -> None:
    server, database = shop
    with psycopg.connect(database) as conn:
        conn.execute(
            "INSERT INTO raphus.upkeep_jobs (kind, place, ended_at, outcome)"
            " SELECT kind, 'command_line', now(), 'well'"
            " FROM unnest(ARRAY['verify', 'rebuild']) AS kind, generate_series(1, 30)"
        )
    id_ = begun(server.client, "verify")
    ended(server.client, id_)
    items = server.get("/v1/upkeep")["items"]
    kinds = [item["kind"] for item in items]
    assert (kinds.count("verify"), kinds.count("rebuild")) == (KEPT_MAX, 30)
    assert items[0]["id"] == id_


def test_what_is_to_be_done_must_be_said(shop: tuple[Served, str]) -> None:
    server, _ = shop
    for query in ({}, {"kind": "everything"}):
        assert server.client.post("/v1/upkeep", params=query).status_code == 400
