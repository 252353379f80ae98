"""`raphus listen` and `raphus trigger`: what a developer has on a machine of his own."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg
import pytest

from tests.support.histories import said
from tests.support.http_server import copied
from tests.support.program import (
    RAPHUS,
    Program,
    environment,
    has_caught_up,
    raphus,
    serving,
)
from tests.support.projected import record
from tests.support.waiting import GUARD_S, until
from tests.support.windmill import outbox
from tests.support.windmill_stand_in import SECRET, EndpointStandIn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SIGNED: Final = ("--secret", "env:LISTEN_SECRET")
BOUGHT: Final[dict[str, Any]] = {
    "payment_id": "pay_0",
    "total_amount": 500,
    "customer": {"customer_id": "cus_0"},
    "product_cart": [{"product_id": "pdt_0", "quantity": 1}],
}


class Shop(NamedTuple):
    """A server, and the environment in which commands find it."""

    server: Program
    database: str
    env: dict[str, str]


@pytest.fixture(scope="module")
def shop(cluster: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    with copied(cluster, template) as database:
        record(database, [said("payment.succeeded", 0, "msg_before", **BOUGHT)])
        found = {"DATABASE_URL": database, "LISTEN_SECRET": SECRET}
        with serving(folder / "home", **found) as server:
            yield Shop(server, database, environment(folder / "home", **found))


@contextmanager
def listening(
    shop: Shop, url: str, *options: str, folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Listen for as long as the block lasts; Ctrl-C ends it, and in order."""
    out, err = folder / "out", folder / "err"
    with out.open("wb") as told, err.open("wb") as wrong:
        command = [str(RAPHUS), "listen", url, *options]
        process = subprocess.Popen(command, env=shop.env, stdout=told, stderr=wrong)
        try:
            until(lambda: b"Ctrl-C ends it" in err.read_bytes() or process.poll() is not None)
            yield process
            process.send_signal(signal.SIGINT)
            assert process.wait(GUARD_S) == 0, err.read_text()
        finally:
            process.kill()


def triggered(shop: Shop, *words: str) -> list[str]:
    """Post made-up events to the server, and return the webhook-ids."""
    to = ("--to", f"{shop.server.url}/webhooks/dodo", "--json")
    ended = raphus("trigger", *words, *to, env=shop.env)
    assert ended.returncode == 0, ended.stderr
    webhook_ids: list[str] = json.loads(ended.stdout)["webhook_ids"]
    return webhook_ids


def told(endpoint: EndpointStandIn) -> list[str]:
    """Return the webhook-ids that an endpoint was told, in order."""
    return [request.headers["webhook-id"] for request in endpoint.requests()]


def test_events_that_come_are_forwarded_as_they_came_and_nothing_is_kept(
    shop: Shop, tmp_path: Path
) -> None:
    with (
        EndpointStandIn() as endpoint,
        listening(shop, f"{endpoint.url}/hooks", *SIGNED, folder=tmp_path),
    ):
        posted = triggered(shop, "subscription.renewed")
        until(lambda: len(endpoint.jobs()) == len(posted))
        assert told(endpoint) == posted
        with shop.server.client() as client:
            event = client.get(f"/v1/events/{posted[-1]}").json()
        assert endpoint.requests()[-1].body == event["body"].encode()
    lines = (tmp_path / "out").read_text().splitlines()
    assert len(lines) == len(posted)
    assert re.fullmatch(
        rf"\d\d:\d\d:\d\d subscription.renewed {posted[-1]} 204 in \d+ ms", lines[-1]
    )
    assert outbox(shop.database) == []
    with psycopg.connect(shop.database) as conn:
        names = conn.execute("SELECT application_name FROM raphus.projections_tracking").fetchall()
    assert "windmill" not in {name for (name,) in names}


def test_events_of_the_past_are_forwarded_first_and_may_be_chosen_and_made_something_of(
    shop: Shop, tmp_path: Path
) -> None:
    chosen = ("--since", "0001-01-01T00:00:00Z", "--type", "payment.*")
    options = (*chosen, "--transformation", "state", "--json", *SIGNED)
    with (
        EndpointStandIn(failing={"pay_0": "error"}) as endpoint,
        listening(shop, endpoint.url, *options, folder=tmp_path),
    ):
        until(lambda: "msg_before" in told(endpoint))
        until(lambda: (tmp_path / "out").read_bytes().count(b"\n") >= 1)
        access = json.loads(endpoint.requests()[0].body)["access"]
    assert (access["reason"]["code"], access["products"][0]["product_id"]) == ("bought", "pdt_0")
    first = json.loads((tmp_path / "out").read_text().splitlines()[0])
    assert first["webhook_id"] == "msg_before"
    assert first["status"] == 500
    assert first["problem"].startswith("the endpoint answered 500")


def test_a_secret_is_made_and_told_where_none_is_given(shop: Shop, tmp_path: Path) -> None:
    with listening(shop, "http://127.0.0.1:9999", folder=tmp_path):
        pass
    assert re.search(r"signed with whsec_[A-Za-z0-9+/=]{44}\.", (tmp_path / "err").read_text())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["ftp://127.0.0.1/"], "must be a whole URL"),
        (["http://169.254.169.254/"], "must not be a link-local address"),
        (["http://127.0.0.1:3000", "--secret", "env:NOBODY_SET_IT"], "NOBODY_SET_IT is not set"),
        (["http://127.0.0.1:3000", "--secret", "hush"], 'must be "env:NAME_OF_A_VARIABLE"'),
    ],
)
def test_where_nothing_can_be_sent_to_is_told(shop: Shop, words: Sequence[str], told: str) -> None:
    ended = raphus("listen", *words, env=shop.env)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert told in ended.stderr


def test_a_made_up_event_is_about_a_new_thing_and_valid_after_what_comes_before_it(
    shop: Shop,
) -> None:
    first, second = triggered(shop, "dispute.won"), triggered(shop, "dispute.won")
    assert not {*first} & {*second}
    with shop.server.client() as client:
        until(lambda: has_caught_up(client))
        for posted in (first, second):
            event = client.get(f"/v1/events/{posted[-1]}").json()
            dispute_id = json.loads(event["body"])["data"]["dispute_id"]
            dispute = client.get(f"/v1/disputes/{dispute_id}").json()
            assert (dispute["status"], dispute["history"]) == ("won", "complete")


def test_it_may_come_alone(shop: Shop) -> None:
    assert len(triggered(shop, "dispute.won", "--alone")) == 1


def test_what_cannot_be_made_up_or_is_not_accepted_is_told(shop: Shop) -> None:
    unknown = raphus("trigger", "dispute.forgotten", env=shop.env)
    assert unknown.returncode == 2
    assert "there are abandoned_checkout" in unknown.stderr
    with EndpointStandIn(secrets=[SECRET]) as endpoint:
        refused = raphus("trigger", "refund.failed", "--to", endpoint.url, env=shop.env)
    assert refused.returncode == 1
    assert "not every webhook was accepted at" in refused.stderr
