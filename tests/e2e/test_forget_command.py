"""`raphus forget` and its HTTP: who is forgotten, what is asked first, and what is told since."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.support import old_chain
from tests.support.histories import said
from tests.support.http_server import asked
from tests.support.log import lines
from tests.support.program import RAPHUS, client, environment, raphus, serving
from tests.support.projected import project, record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from domain.delivery import Delivery

JANE = {"customer_id": "cus_1", "email": "jane@example.com", "name": "Jane Doe"}


def life() -> list[Delivery]:
    paid = {"payment_id": "pay_1", "total_amount": 900, "currency": "EUR", "status": "succeeded"}
    return [
        said("subscription.active", 0, "msg_1", subscription_id="sub_1", customer=JANE),
        said("payment.succeeded", 1, "msg_2", **paid, customer=JANE),
        said("payment.succeeded", 2, "msg_3", **{**paid, "payment_id": "pay_2"}),
    ]


@pytest.fixture
def env(database: str, tmp_path: Path) -> dict[str, str]:
    record(database, life())
    project(database)
    return environment(tmp_path / "home", DATABASE_URL=database)


@pytest.fixture
def empty(cluster: str) -> Iterator[str]:
    """Give a database in which nothing is."""
    with psycopg.connect(cluster, autocommit=True) as conn:
        conn.execute("CREATE DATABASE restored TEMPLATE template0")
        yield make_conninfo(cluster, dbname="restored")
        conn.execute("DROP DATABASE restored WITH (FORCE)")


def is_known(database: str) -> bool:
    return any(b"jane@example.com" in line.state for line in lines(database))


def told(*arguments: str, env: dict[str, str]) -> Any:  # noqa: ANN401 -- JSON
    ended = raphus(*arguments, "--json", env=env)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_a_customer_is_forgotten_and_listed_with_what_has_come_since(
    database: str, env: dict[str, str]
) -> None:
    found = told("forget", "cus_1", "--dry-run", env=env)
    assert found["events"] == {"payment.succeeded": 1, "subscription.active": 1}
    assert is_known(database)
    reason = ["--reason", "article 17", "--requested-by", "support"]
    ended = raphus("forget", "cus_1", *reason, "--yes", env=env)
    assert ended.returncode == 0, ended.stderr
    assert "2  events in all" in ended.stdout
    assert "erased, and recorded at position 4 as raphus_erasure_" in ended.stdout
    assert not is_known(database)
    project(database)
    record(database, [said("subscription.renewed", 5, "msg_5", subscription_id="sub_1")])
    listed = told("forget", "--list", env=env)
    assert (listed["position"], listed["customer_id"], listed["events"]) == ("4", "cus_1", 2)
    assert (listed["reason"], listed["requested_by"]) == ("article 17", "support")
    assert listed["arrived_since"] == 1
    assert "2 events; 1 have come since" in raphus("forget", "--list", env=env).stdout
    assert told("forget", "cus_1", *reason, "--yes", env=env)["position"] is None


def test_verify_and_audit_tell_what_was_emptied(env: dict[str, str]) -> None:
    told("forget", "cus_1", "--reason", "article 17", "--yes", env=env)
    ended = raphus("verify", "--signatures", env=env)
    assert ended.returncode == 0, ended.stderr
    assert "position 4: erased what identified cus_1, in 2 events: 1-2" in ended.stdout
    assert "signatures: 0 verified, 1 not, 2 erased: cannot be checked" in ended.stdout
    (one,) = told("verify", env=env)["erasures"]
    assert one == {"position": "4", "customer_id": "cus_1", "events": 2, "positions": [[1, 2]]}
    audited = [json.loads(line) for line in raphus("audit", "cus_1", env=env).stdout.splitlines()]
    assert [line["erased_by"][:15] for line in audited] == ["raphus_erasure_"] * 2
    assert [line["signature_verified"] for line in audited] == [None, None]
    assert json.loads(audited[0]["body"])["data"]["customer"] == {"customer_id": "cus_1"}


def test_the_audit_of_who_is_not_forgotten_has_all_that_is_kept(env: dict[str, str]) -> None:
    audited = raphus("audit", "cus_1", env=env).stdout
    assert audited.count("jane@example.com") == audited.count("Jane Doe") == 2


def test_nobody_is_forgotten_unasked(database: str, env: dict[str, str]) -> None:
    for arguments in (["cus_1"], ["--reason", "why"], ["cus_1", "--reason", " "]):
        ended = raphus("forget", *arguments, env=env)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert "say whom to forget and why" in ended.stderr
    ended = raphus("forget", "cus_1", "--reason", "why", env=env)
    assert ended.returncode == 2
    assert "there is nobody to ask: add --yes" in ended.stderr
    ended = raphus("forget", "cus_9", "--reason", "why", "--yes", env=env)
    assert ended.returncode == 1
    assert "no webhook in the log names a customer with this id" in ended.stderr
    assert is_known(database)


@pytest.mark.parametrize(("typed", "known"), [(b"no\n", True), (b"yes\n", False)])
def test_a_person_is_asked_on_a_terminal(
    database: str, env: dict[str, str], typed: bytes, known: bool
) -> None:
    ours, theirs = pty.openpty()
    command = [str(RAPHUS), "forget", "cus_1", "--reason", "why"]
    with subprocess.Popen(
        command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env
    ) as process:
        os.write(ours, typed)
        out, _ = process.communicate()
    os.close(ours)
    os.close(theirs)
    assert b"Erase this for good? Type yes: " in out
    assert process.returncode == (1 if known else 0)
    assert is_known(database) == known


@pytest.mark.usefixtures("env")
def test_the_same_over_http(database: str, tmp_path: Path) -> None:
    with (
        serving(tmp_path / "home", DATABASE_URL=database) as server,
        server.client() as asking,
        client(server.url) as stranger,
    ):
        path = "/v1/customers/cus_1/personal-data"
        assert asking.delete(path).status_code == 400
        cross = {"sec-fetch-site": "cross-site"}
        assert asking.delete(path, params={"reason": "x"}, headers=cross).status_code == 403
        assert stranger.delete(path, params={"reason": "x"}).status_code == 401
        unknown = asking.delete(path.replace("cus_1", "cus_9"), params={"reason": "x"})
        assert unknown.status_code == 404
        assert is_known(database)
        erased = asking.delete(path, params={"reason": "article 17"}).json()
        assert erased["events"] == {"payment.succeeded": 1, "subscription.active": 1}
        assert not is_known(database)
        event = asked(asking, "/v1/events/msg_1", min_position=erased["position"])
        assert event["erased"]["webhook_id"] == erased["webhook_id"]
        assert event["erased"]["position"] == erased["position"]
        assert "Jane" not in event["body"]
        assert asking.get("/v1/events/msg_3").json()["erased"] is None
        assert asking.get(f"/v1/events/{erased['webhook_id']}").status_code == 200
        (listed,) = asking.get("/v1/erasures").json()["items"]
        assert (listed["webhook_id"], listed["events"]) == (erased["webhook_id"], 2)
        assert asking.get("/v1/erasures", params={"customer_id": "x"}).json()["items"] == []
        assert asking.get("/v1/refusals").json()["items"] == []


def test_a_backup_keeps_what_was_erased_erased(
    env: dict[str, str], empty: str, tmp_path: Path
) -> None:
    told("forget", "cus_1", "--reason", "article 17", "--yes", env=env)
    told("backup", str(tmp_path / "backup"), env=env)
    into = environment(tmp_path / "home", DATABASE_URL=empty)
    restored = told("restore", str(tmp_path / "backup"), env=into)
    assert restored["fault"] is None
    assert [one["events"] for one in restored["erasures"]] == [2]
    assert not is_known(empty)


def test_a_backup_of_the_chain_as_it_was_is_proved_and_chained_anew(
    cluster: str, empty: str, tmp_path: Path
) -> None:
    (tmp_path / "migrations").mkdir()
    with psycopg.connect(cluster, autocommit=True) as conn:
        conn.execute("CREATE DATABASE old TEMPLATE template0")
        old = make_conninfo(cluster, dbname="old")
        left = old_chain.migrated(old, tmp_path / "migrations")
        old_chain.record(old, life())
        old_chain.dump(old, tmp_path / "backup")
        with psycopg.connect(old) as log:
            log.execute(
                "UPDATE raphus.ledger_events SET webhook_id = 'x' WHERE webhook_id = 'msg_2'"
            )
        old_chain.dump(old, tmp_path / "tampered")
        conn.execute("DROP DATABASE old WITH (FORCE)")
    into = environment(tmp_path / "home", DATABASE_URL=empty)
    ended = raphus("restore", str(tmp_path / "tampered"), env=into)
    assert ended.returncode == 1
    assert "the log is not what was recorded, from position 2 on" in ended.stderr
    with psycopg.connect(empty, autocommit=True) as conn:
        conn.execute("DROP SCHEMA raphus CASCADE")
    restored = told("restore", str(tmp_path / "backup"), env=into)
    assert restored["applied"] == left
    assert (restored["fault"], restored["missing"], restored["events"]) == (None, None, 3)
    assert restored["projected_position"] == "3"
