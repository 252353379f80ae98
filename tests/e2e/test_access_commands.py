"""`raphus access` and `raphus state`: what a person reads, and what a wrong policy file does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.support.histories import said
from tests.support.http_server import copied, served
from tests.support.program import environment, raphus
from tests.support.projected import project, record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Shop(NamedTuple):
    """The environment in which commands find a database, and answers of HTTP on it."""

    env: dict[str, str]
    answers: dict[str, dict[str, object]]


@pytest.fixture(scope="module")
def shop(cluster: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    whose = {"customer": {"customer_id": "cus_1"}}
    bought = {
        "subscription_id": "sub_1",
        "product_id": "pdt_1",
        "recurring_pre_tax_amount": 1999,
        "currency": "EUR",
        "payment_frequency_interval": "Month",
        "next_billing_date": "2099-06-01T12:00:00Z",
    }
    once = {"payment_id": "pay_1", "total_amount": 500, "currency": "EUR"}
    told = [
        said("subscription.active", 0, None, **whose, **bought),
        said("subscription.on_hold", 1, None, **whose, **bought | {"subscription_id": "sub_2"}),
        said("payment.succeeded", 2, None, **whose, **once, product_cart=[{"product_id": "pdt_2"}]),
        said("payment.failed", 3, None, **whose, **once | {"payment_id": "pay_2"}),
        said("license_key.created", 5, None, id="lic_1", customer_id="cus_1", status="disabled"),
        said("entitlement_grant.created", 5, None, id="grant_1", customer_id="cus_1"),
        said("refund.succeeded", 5, None, refund_id="ref_1", payment_id="pay_2", status="pending"),
        said("dispute.opened", 6, None, dispute_id="dp_1", payment_id="pay_1"),
    ]
    with copied(cluster, template) as conninfo:
        record(conninfo, told)
        project(conninfo)
        with served(conninfo) as server:
            answers = {
                "access": server.get("/v1/access", customer_id="cus_1"),
                "state": server.get("/v1/customers/cus_1/state"),
            }
        env = environment(tmp_path_factory.mktemp("access") / "home", DATABASE_URL=conninfo)
        yield Shop(env, answers)


def answered(env: dict[str, str], *arguments: str) -> list[str]:
    """Run a command that must succeed; return the lines that it prints, without their padding."""
    ended = raphus(*arguments, env=env)
    assert ended.returncode == 0, ended.stderr
    return [" ".join(line.split()) for line in ended.stdout.splitlines()]


def test_a_person_reads_whether_there_is_access_why_and_on_what_it_rests(shop: Shop) -> None:
    lines = answered(shop.env, "access", "--customer-id", "cus_1", "--product-id", "pdt_1")
    assert lines[:4] == [
        "access to pdt_1",
        "active: Subscription sub_1 is active.",
        "customer cus_1 of bus_1",
        "It rests on 1 thing:",
    ]
    evidence = "subscription sub_1 active pdt_1 msg_subscription.active_0 2026-05-01 12:00:00"
    assert evidence in lines
    assert "known up to position 8 of the log: nothing is missing of it" in lines
    assert any(line.startswith("last webhook of bus_1: dispute.opened (msg_") for line in lines)


def test_a_person_reads_the_whole_state(shop: Shop) -> None:
    lines = answered(shop.env, "state", "cus_1")
    for expected in (
        "customer cus_1 of bus_1",
        "access: Subscription sub_1 is active.",
        "sub_1 active pdt_1 19.99 EUR a month 2026-05-01 2099-06-01 12:00:00",
        "Subscriptions without access",
        "sub_2 on_hold pdt_1 19.99 EUR a month 2026-05-01",
        "pay_1 pdt_2 5.00 EUR 2026-05-01 yes",
        "lic_1 disabled – no",
        "grant_1 pending – yes",
        "dp_1 opened pay_1 2026-05-01",
        "pay_2 – 5.00 EUR 2026-05-01",
        "pdt_2 access Payment pay_1 bought it once, and was not given back.",
    ):
        assert expected in lines
    assert any(line.startswith("! Refund ref_1: Dodo last said pending") for line in lines)


@pytest.mark.parametrize("command", ["access", "state"])
def test_the_json_is_what_http_answers(shop: Shop, command: str) -> None:
    who = {"access": ["--customer-id", "cus_1"], "state": ["cus_1"]}[command]
    (line,) = answered(shop.env, command, *who, "--json")
    told = json.loads(line)
    assert told.keys() == shop.answers[command].keys()
    assert told | {"at": ""} == shop.answers[command] | {"at": ""}


def test_the_policy_in_force_is_printed_without_a_database(shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "raphus.toml"
    path.write_text('[access]\non_hold = "3 days"\n')
    env = shop.env | {"RAPHUS_POLICY": str(path), "DATABASE_URL": "postgresql://nobody@127.0.0.1:1"}
    lines = answered(env, "access", "--policy")
    assert any(line.startswith("on_hold 3 days a charge failed") for line in lines)
    assert any(line.startswith("past_due until past_due_ends_at ") for line in lines)
    assert any(line.startswith("disputes lost, accepted ") for line in lines)


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("access --policy", "raphus.toml:2: unknown key 'gone'; expected are active, past_due,"),
        ("state cus_1", "raphus.toml:2: unknown key 'gone'; expected are active, past_due,"),
        ("serve --port 0", "raphus.toml:2: unknown key 'gone'; expected are active, past_due,"),
    ],
)
def test_a_wrong_policy_file_is_wrong_settings(
    shop: Shop, tmp_path: Path, command: str, problem: str
) -> None:
    path = tmp_path / "raphus.toml"
    path.write_text('[access]\ngone = "no"\n')
    secret = {"DODO_PAYMENTS_WEBHOOK_KEY": "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQ="}
    ended = raphus(*command.split(), env=shop.env | secret | {"RAPHUS_POLICY": str(path)})
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"raphus: {problem}")


@pytest.mark.parametrize("command", ["access", "state", "state cus_1 --email a@example.com"])
def test_who_is_asked_about_in_no_way_or_in_two_is_told_what_is_expected(
    shop: Shop, command: str
) -> None:
    ended = raphus(*command.split(), env=shop.env)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "exactly one of customer_id, email and external_id" in ended.stderr


def test_of_nobody_there_is_no_access_and_no_state(shop: Shop) -> None:
    lines = answered(shop.env, "access", "--customer-id", "cus_x")
    assert lines[:2] == [
        "no access",
        "unknown_person: No webhook about such a person has been seen.",
    ]
    ended = raphus("state", "cus_x", env=shop.env)
    assert (ended.returncode, ended.stderr) == (
        1,
        "raphus: no customer with this id has been seen\n",
    )
