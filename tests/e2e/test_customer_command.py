"""`raphus customer` and `raphus audit`: all of a customer, for a person and as evidence."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.histories import said
from tests.support.program import raphus
from tests.support.two_ways import Shop, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

FACTS: Final = 107


@pytest.fixture(scope="module")
def shop(cluster: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    whose = {"customer": {"customer_id": "cus_1", "name": "Customer 1 ✓"}}
    bought = {
        "subscription_id": "sub_1",
        "product_id": "pdt_1",
        "recurring_pre_tax_amount": 1999,
        "currency": "EUR",
        "payment_frequency_interval": "Month",
    }
    paid = {"payment_id": "pay_1", "total_amount": 1999, "currency": "EUR"}
    told = [
        said("subscription.active", 0, None, **whose, **bought),
        said("payment.succeeded", 0, None, **whose, **paid),
        said("payment.failed", 3, None, **whose, **paid),
        said(
            "refund.succeeded",
            4,
            None,
            payment_id="pay_1",
            refund_id="ref_1",
            amount=500,
            status="pending",
        ),
        said("license_key.created", 5, None, id="lic_1", customer_id="cus_1", status="disabled"),
    ]
    many = [said("subscription.updated", 10 + n, None, **whose, **bought) for n in range(FACTS - 6)]
    dispute = {"payment_id": "pay_1", "dispute_id": "dp_1", "amount": "1999", "currency": "EUR"}
    last = [said("dispute.challenged", 6, None, **dispute)]
    home = tmp_path_factory.mktemp("customer") / "home"
    with opened(cluster, template, home, told + many, last) as shop:
        yield shop


@pytest.mark.parametrize("then", [{}, {"as_of": "2026-05-01T12:20:00Z"}, {"known_at": ""}])
def test_the_json_is_the_whole_lifecycle_as_http_tells_it(shop: Shop, then: dict[str, str]) -> None:
    query = {name: value or shop.known_at for name, value in then.items()}
    options = [w for n, value in query.items() for w in (f"--{n.replace('_', '-')}", value)]
    told = json.loads(shop.answered("customer", "cus_1", *options, "--json"))
    path = "/v1/customers/cus_1/lifecycle"
    found = shop.server.get(path, limit=100, **query)
    while found["next"] is not None:
        more = shop.server.get(path, cursor=found["next"], **query)
        found |= {"items": found["items"] + more["items"], "next": more["next"]}
    assert told == found
    assert told["next"] is None
    assert len(told["items"]) == {"": FACTS, "as_of": 17, "known_at": FACTS - 1}["".join(then)]


def test_a_person_reads_who_it_is_what_there_is_and_what_happened(shop: Shop) -> None:
    told = shop.answered("customer", "cus_1").splitlines()
    lines = [" ".join(line.split()) for line in told]
    assert lines[0] == "customer cus_1 of bus_1"
    assert [line for line in lines[1:4] if line.startswith(("e-mail", "name"))]
    paid = lines.index("paid 19.99 EUR, refunded 5.00 EUR")
    assert lines[paid - 1].startswith("seen from ")
    assert lines[paid + 1].startswith(
        "1 subscription (1 active), 1 payment (1 succeeded, 0 failed), "
    )
    for expected in (
        "sub_1 active pdt_1 19.99 EUR a month 2026-05-01",
        "dp_1 challenged pay_1 19.99 EUR 2026-05-01 history is partial",
    ):
        assert expected in lines
    (drift,) = [line for line in lines if line.startswith("! refund ref_1: drift")]
    assert "Dodo last said pending (msg_refund.succeeded_4 of 2026-05-01 12:04:00)" in drift
    afterwards, _head, *happened = lines[lines.index("What happened") + 1 :]
    assert afterwards.startswith(f"recorded afterwards in one stretch: {FACTS} facts from 2026-05")
    assert len(happened) == FACTS
    assert happened == sorted(happened, key=lambda line: line[:19])
    (refused,) = [line for line in happened if "refused: " in line]
    assert refused.startswith("2026-05-01 12:03:00 payment.failed pay_1 stays succeeded 19.99 EUR")
    (gap,) = [line for line in happened if "something before it was never seen" in line]
    assert " dp_1 – → challenged 19.99 EUR something before it was never seen" in gap
    assert not any(" late" in line for line in happened)


def test_the_past_is_told_in_the_first_line(shop: Shop) -> None:
    then = "2026-05-01T12:02:00Z"
    asked = ("customer", "cus_1", "--as-of", then, "--known-at", shop.known_at)
    told = shop.answered(*asked).splitlines()
    assert told[0] == f"customer cus_1 of bus_1, as of {then}, as known at {shop.known_at}"
    assert len(told[told.index("What happened") + 3 :]) == 2


@pytest.mark.parametrize("command", ["customer", "audit"])
def test_a_customer_who_was_never_seen_is_a_failure(shop: Shop, command: str) -> None:
    ended = raphus(command, "cus_x", env=shop.env)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "raphus: no customer with this id has been seen\n"


def test_an_audit_is_the_log_to_the_byte_and_this_log_has_it(shop: Shop) -> None:
    written = shop.answered("audit", "cus_1")
    lines = [json.loads(line) for line in written.splitlines()]
    assert [int(line["position"]) for line in lines] == list(range(1, FACTS + 1))
    for line in lines[:5] + lines[-1:]:
        event = shop.server.get(f"/v1/events/{line['webhook_id']}")
        assert (line["body"], line["recorded_at"]) == (event["body"], event["recorded_at"])
    assert "Customer 1 ✓" in lines[0]["body"]
    assert {line["signature_verified"] for line in lines} == {False}, "nobody has signed these"
    assert shop.answered("audit", "cus_1") == written
    head = f"{lines[-1]['position']}:{lines[-1]['hash']}"
    assert shop.answered("verify", "--against", head).startswith("the log is whole")


def test_secrets_that_are_none_are_wrong_settings(shop: Shop) -> None:
    ended = raphus("audit", "cus_1", env=shop.env | {"DODO_PAYMENTS_WEBHOOK_KEY": "whsec_!"})
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "DODO_PAYMENTS_WEBHOOK_KEY" in ended.stderr
