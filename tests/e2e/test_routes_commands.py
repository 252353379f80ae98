"""`raphus routes …`: what is printed and done beside a running server, and the exit codes."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest
from standardwebhooks import Webhook

from tests.support.histories import said
from tests.support.http_server import copied
from tests.support.program import Program, environment, posted, raphus, serving
from tests.support.projected import record
from tests.support.waiting import until
from tests.support.windmill import outbox
from tests.support.windmill_stand_in import StandIn

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

TOKEN: Final = "a-token-that-fits-into-a-header"
ROUTES: Final = """
[[route]]
name = "everything"
on = ["*"]
script = "f/raphus/everything"

[[route]]
name = "disputes-to-chat"
on = ["dispute.*"]
url = "{url}/api/w/shop/jobs/run/p/f/raphus/dispute_message?token={token}"
transformation = "dispute"
verdicts = ["applied"]
where = {{ "data.currency" = "USD" }}

[[route]]
name = "off"
on = ["*"]
flow = "f/raphus/later"
enabled = false

[[route]]
name = "broken"
on = ["payment.failed"]
script = "f/raphus/broken"
transformation = "python:own.py:own"

[[route]]
name = "missing"
on = ["loyalty.*"]
script = "f/raphus/missing"
"""
OWN: Final = """
def own(event):
    if event["type"] == "payment.failed":
        raise LookupError("no such plan")
    return None if event["type"] == "payout.success" else {"type": event["type"]}
"""
DEPLOYED: Final = ["p/f/raphus/everything", "p/f/raphus/dispute_message", "p/f/raphus/broken"]
EVENTS: Final = (
    said("subscription.active", 0, "msg_1", subscription_id="sub_1"),
    said("dispute.opened", 1, "msg_2", dispute_id="dp_1", payment_id="pay_0", currency="USD"),
    said("payment.failed", 2, "msg_3", payment_id="pay_3"),
)
ENDED: Final = [("broken", "parked"), ("disputes-to-chat", "succeeded")]


class Shop(NamedTuple):
    """A server with its Windmill, and the environment in which commands find both."""

    server: Program
    windmill: StandIn
    database: str
    routes: Path
    env: dict[str, str]


@pytest.fixture(scope="module")
def shop(cluster: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A server that has started jobs for some webhooks, but for one that came before it."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "own.py").write_text(OWN, "utf-8")
    routes = folder / "routes.toml"
    with copied(cluster, template) as database, StandIn(deployed=DEPLOYED, token=TOKEN) as windmill:
        routes.write_text(ROUTES.format(url=windmill.url, token=TOKEN), "utf-8")
        record(database, [said("payment.succeeded", 0, "msg_before", payment_id="pay_0")])
        found = {"DATABASE_URL": database, "WINDMILL_ROUTES": str(routes)}
        found |= {**windmill.settings, "WINDMILL_TOKEN": TOKEN}
        with serving(folder / "home", **found) as server:
            with server.client() as client:
                for one in EVENTS:
                    assert posted(client, one.body, one.webhook_id).status_code == 200
            everything = [("everything", "succeeded")] * len(EVENTS)
            until(lambda: states(database) == sorted(ENDED + everything))
            env = environment(folder / "home", **found)
            yield Shop(server, windmill, database, routes, env)


def states(database: str) -> list[tuple[Any, ...]]:
    return sorted(outbox(database, "route, state"))


def run(shop: Shop, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command; whatever becomes of it, it tells no token."""
    env = {name: value for name, value in {**shop.env, **settings}.items() if value}
    ended = raphus("routes", *arguments, env=env)
    told = ended.stdout + ended.stderr
    assert "Traceback" not in told
    assert TOKEN not in told
    return ended


def answered(shop: Shop, *arguments: str) -> str:
    """Run a command that must succeed, and return what it prints."""
    ended = run(shop, *arguments)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize(
    ("command", "query"),
    [
        ("list", {}),
        ("outbox", {"limit": "2"}),
        ("outbox", {"state": "parked", "route": "broken"}),
        ("outbox", {"webhook_id": "msg_2"}),
        ("attempts", {"limit": "3"}),
        ("attempts", {"route": "disputes-to-chat"}),
    ],
)
def test_the_json_is_that_of_http(shop: Shop, command: str, query: dict[str, str]) -> None:
    options = [
        word for name, value in query.items() for word in (f"--{name.replace('_', '-')}", value)
    ]
    told = answered(shop, command, *options, "--json")
    with shop.server.client() as client:
        path = "/v1/routes" if command == "list" else f"/v1/routes/{command}"
        assert told == client.get(path, params=query).text + "\n"


def test_the_routes_are_a_table_with_how_their_jobs_fare(shop: Shop) -> None:
    head, _, *rows = answered(shop, "list").splitlines()
    told = {row.split()[0]: " ".join(row.split()) for row in rows}
    assert " ".join(head.split()) == (
        "route on target transformation only if waiting parked started failed (24 h)"
    )
    assert told.keys() == {"everything", "disputes-to-chat", "off", "broken", "missing"}
    assert told["off"] == "off * run/f/f/raphus/later state off 0 0 0 0"
    assert told["broken"].endswith("python:own.py:own 0 1 0 0")
    assert told["disputes-to-chat"].endswith(
        '?token=… dispute verdict applied; {"data.currency":"USD"} 0 0 0 0'
    )


def test_jobs_and_attempts_are_tables_that_are_read_on_by_their_cursors(shop: Shop) -> None:
    for command in ("outbox", "attempts"):
        *rows, more = answered(shop, command, "--limit", "2").splitlines()[2:]
        cursor = more.removeprefix("There are more: --cursor ")
        rest = answered(shop, command, "--limit", "1", "--cursor", cursor).splitlines()[2:]
        assert len(rows) == 2
        assert len({" ".join(row.split()) for row in [*rows, rest[0]]}) == 3
    (parked,) = answered(shop, "outbox", "--state", "parked").splitlines()[2:]
    assert parked.endswith("own.py:4: LookupError: no such plan")
    assert parked.split()[1:5] == ["broken", "payment.failed", "msg_3", "parked"]


def test_what_is_parked_waits_again_and_is_parked_again_while_it_is_wrong(shop: Shop) -> None:
    asked = ("retry", "--route", "broken")
    assert answered(shop, *asked) == "1 parked job waits to be sent again\n"
    until(lambda: ("broken", "parked") in states(shop.database))
    assert json.loads(answered(shop, *asked, "--json")) == {"retried": 1}
    until(lambda: ("broken", "parked") in states(shop.database))
    assert answered(shop, "retry", "--webhook-id", "msg_1") == (
        "0 parked jobs wait to be sent again\n"
    )


def test_a_replay_starts_what_a_route_has_missed_and_nothing_else(shop: Shop) -> None:
    asked = ("replay", "--route", "everything")
    jobs = len(shop.windmill.jobs())
    told = answered(shop, *asked, "--dry-run")
    assert told == (
        "4 matching events: 1 would be queued, 0 parked would be made to wait again, 3 left alone\n"
    )
    ended = run(shop, *asked, "--type", "payment.*", "--json")
    replayed = json.loads(ended.stdout)
    (first,) = replayed.pop("first")
    assert (first["webhook_id"], first["parked"]) == ("msg_before", False)
    assert replayed == {
        "matched": 2,
        "queued": 1,
        "waiting_again": 0,
        "left": 1,
        "to_come": 0,
    }
    assert "replay: " in ended.stderr
    until(lambda: len(shop.windmill.jobs()) == jobs + 1)
    assert shop.windmill.jobs()[-1].arguments["event"]["webhook_id"] == "msg_before"
    until(lambda: ("everything", "started") not in states(shop.database))
    until(lambda: ("everything", "waiting") not in states(shop.database))
    assert "0 queued" in answered(shop, *asked)
    again = answered(shop, "replay", "--route", "disputes-to-chat", "--again")
    assert again.startswith("1 matching event: 1 queued")
    until(lambda: len(shop.windmill.jobs()) == jobs + 2)
    assert shop.windmill.jobs()[-1].arguments["raphus_replay"] == 1
    until(lambda: ("disputes-to-chat", "started") not in states(shop.database))


def test_a_replay_keeps_to_the_times_that_it_is_told(shop: Shop) -> None:
    until_ = shop.server.get("/v1/events", limit=1)["items"][0]["recorded_at"]
    between = ("--since", "2026-01-01T00:00:00Z", "--until", until_)
    told = answered(shop, "replay", "--route", "everything", *between, "--dry-run", "--json")
    assert json.loads(told)["matched"] == 1


def test_a_sample_gives_a_job_its_arguments(shop: Shop) -> None:
    asked = ("test", "disputes-to-chat", "--event", "dispute.opened", "--dry-run")
    plain, compact = answered(shop, *asked), answered(shop, *asked, "--json")
    assert json.loads(plain) == json.loads(compact)
    assert json.loads(plain)["event_type"] == "dispute.opened"
    assert plain.count("\n") > compact.count("\n") == 1
    assert plain == answered(shop, *asked), "it is always the same"


def test_a_sample_is_sent_and_its_outcome_waited_for(shop: Shop) -> None:
    jobs = len(shop.windmill.jobs())
    told = answered(shop, "test", "everything", "--event", "refund.succeeded")
    (job,) = shop.windmill.jobs()[jobs:]
    assert job.arguments["event"]["type"] == "refund.succeeded"
    assert [line.split() for line in told.splitlines()] == [
        ["job", job.id],
        ["answer", "201:", job.id],
        ["outcome", "succeeded"],
    ]
    assert job.id not in {str(found) for (found,) in outbox(shop.database, "job_id")}


def test_a_workflow_that_fails_fails_the_test(shop: Shop) -> None:
    wrong = {"name": "Error", "message": "no such channel"}
    shop.windmill.behave(errors={"f/raphus/dispute_message": wrong})
    try:
        ended = run(shop, "test", "disputes-to-chat", "--event", "dispute.lost", "--json")
    finally:
        shop.windmill.behave(errors={})
    assert ended.returncode == 1
    told = json.loads(ended.stdout)
    assert (told["status"], told["outcome"]) == (201, "failed")
    assert told["problem"] == "Error: no such channel"


def test_a_workflow_that_is_not_deployed_fails_the_test(shop: Shop) -> None:
    ended = run(shop, "test", "missing", "--event", "dispute.lost")
    assert ended.returncode == 1
    assert "404: Not found: deployed script not found" in ended.stdout
    assert "not taken" in ended.stdout
    assert "The route missing by itself sends nothing for this event" in ended.stderr
    assert ended.stderr.endswith("raphus: it was not seen to succeed\n")


@pytest.mark.parametrize(
    ("command", "code", "told"),
    [
        ("test everything --event dispute.begun", 2, "there is no sample of 'dispute.begun'; ther"),
        ("test everything --event dispute.begun", 2, "dispute.lost, dispute.opened"),
        ("test nothing --event dispute.opened", 2, "has no route 'nothing'; it has everything, "),
        ("test broken --event payment.failed", 1, "own.py:4: LookupError: no such plan"),
        ("test broken --event payout.success", 1, "starts nothing for this event"),
        ("replay --route nothing", 2, "has no route 'nothing'; it has everything, disputes"),
        ("replay --route off", 1, "the route off is off: enabled = false"),
        (
            "replay --route broken --since 2026-01-02T00:00:00Z --until 2026-01-01T00:00:00Z",
            2,
            "until must not lie before since",
        ),
        ("retry", 2, "say which: route, webhook_id or job_id"),
        ("outbox --state lost", 2, "must be one of waiting, parked"),
    ],
)
def test_what_cannot_be_done_is_told_with_an_exit_code(
    shop: Shop, command: str, code: int, told: str
) -> None:
    ended = run(shop, *command.split())
    assert (ended.returncode, ended.stdout) == (code, "")
    assert told in ended.stderr


@pytest.mark.parametrize(
    "command",
    ["list --json", "replay --route everything", "test everything --event payout.failed"],
)
def test_a_wrong_file_is_told_with_its_line(shop: Shop, command: str) -> None:
    wrong = shop.routes.with_name("wrong.toml")
    wrong.write_text(shop.routes.read_text("utf-8") + '\ncolour = "red"\n', "utf-8")
    line = wrong.read_text("utf-8").count("\n")
    # No database is needed to tell.
    settings = {"WINDMILL_ROUTES": str(wrong), "DATABASE_URL": "postgresql://127.0.0.1:1/none"}
    ended = run(shop, *command.split(), **settings)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"raphus: wrong.toml:{line}: unknown key 'colour'")


def test_a_windmill_that_is_not_named_is_missed_only_when_it_is_needed(shop: Shop) -> None:
    asked = ("test", "everything", "--event", "payout.failed")
    nowhere = {"WINDMILL_BASE_URL": "", "WINDMILL_TOKEN": ""}
    assert run(shop, *asked, "--dry-run", **nowhere).returncode == 0
    ended = run(shop, *asked, **nowhere)
    assert ended.returncode == 2
    assert "needs WINDMILL_BASE_URL, WINDMILL_TOKEN, or a whole url" in ended.stderr


def test_without_a_file_there_are_no_routes(shop: Shop, tmp_path: Path) -> None:
    gone = str(tmp_path / "gone.toml")
    for command in ("list", "test everything --event payout.failed"):
        ended = run(shop, *command.split(), WINDMILL_ROUTES=gone)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert "gone.toml: there is no such file" in ended.stderr
    unnamed = run(shop, "list", WINDMILL_ROUTES="")
    assert (unnamed.returncode, unnamed.stdout[:20]) == (0, "There are no routes:")
    ended = run(shop, "replay", "--route", "x", WINDMILL_ROUTES="")
    assert (ended.returncode, "routes.toml is not there" in ended.stderr) == (2, True)


def test_what_was_about_windmill_alone_says_its_new_name(shop: Shop) -> None:
    quoted = "retry --route 'a b'"
    for old, new in (("routes --json", "list --json"), (quoted, quoted)):
        ended = raphus("windmill", *shlex.split(old), env=shop.env)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr == f"raphus: raphus windmill is gone: type raphus routes {new}\n"


def test_a_secret_is_made_that_an_endpoint_can_be_told(shop: Shop) -> None:
    first, second = (answered(shop, "secret").strip() for _ in range(2))
    assert first != second
    assert len(Webhook(first)._whsecret) == 32
