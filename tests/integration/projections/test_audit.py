"""The audit: each line proves itself, is complete, and says what the timelines say."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from cli.commands.audit import AuditingError, audit
from cli.settings import Settings, SettingsError
from ledger.integrity.hash_chain import Row, link
from postgres.statement import Statement
from tests.support.connected import connected
from tests.support.histories import delivery, said
from tests.support.http_server import SECRET, served
from tests.support.projected import project, record, rows, simulated
from tests.support.samples import sample

if TYPE_CHECKING:
    from pathlib import Path

OTHER = "whsec_" + "b3RoZXI="
HASHES = "SELECT notification_id::text, encode(hash, 'hex') FROM raphus.ledger_events"
FACTS = "SELECT webhook_id, kind, id, verdict, gap FROM raphus.timeline"


@pytest.fixture
def settings(database: str, tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, database_url=database)


def audited(settings: Settings, customer_id: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in audit(settings, customer_id)]


def hash_of(line: dict[str, Any]) -> str:
    """Work the hash out from nothing but the line, as the audit's page says."""
    names = ("webhook_id", "webhook_timestamp", "webhook_signature")
    state = b"\x01" + msgspec.msgpack.encode([*(line[n] for n in names), line["body"].encode()])
    row = Row(
        line["stream"],
        line["version"],
        line["type"],
        state,
        int(line["position"]),
        line["webhook_id"],
        datetime.fromisoformat(line["recorded_at"]).astimezone(UTC),
    )
    return link(bytes.fromhex(line["previous_hash"]), row).hex()


def test_every_delivery_of_every_stream_is_there_once_and_proves_itself(
    database: str, settings: Settings
) -> None:
    record(database, simulated(12))
    project(database)
    hashes = {str(at): hash_ for at, hash_ in rows(database, Statement(HASHES, {}))}
    select = Statement("SELECT customer_id, stream_id FROM raphus.customer_objects", {})
    belonging = {(str(customer), str(stream)) for customer, stream in rows(database, select)}
    facts = set(rows(database, Statement(FACTS, {})))
    seen: set[str] = set()
    for customer_id in sorted({customer for customer, _ in belonging}):
        lines = audited(settings, customer_id)
        positions = [int(line["position"]) for line in lines]
        assert positions == sorted(set(positions))
        streams = {line["stream"] for line in lines}
        assert streams == {stream for customer, stream in belonging if customer == customer_id}
        for line in lines:
            assert hash_of(line) == line["hash"] == hashes[line["position"]]
            assert tuple(line[n] for n in ("webhook_id", "kind", "id", "verdict", "gap")) in facts
            assert json.loads(line["body"])["type"] == line["type"]
        assert lines == audited(settings, customer_id)
        seen |= {line["position"] for line in lines}
    in_streams = Statement(
        "SELECT notification_id::text FROM raphus.ledger_events WHERE originator_id = ANY(%(ids)s)",
        {"ids": sorted({stream for _, stream in belonging})},
    )
    assert seen == {str(position) for (position,) in rows(database, in_streams)}


def test_a_webhook_id_that_tells_of_two_things_has_each_fact_at_its_delivery(
    database: str, settings: Settings
) -> None:
    about = {"payment_id": "pay_1", "customer_id": "cus_1"}
    told = [
        said("payment.succeeded", 0, "msg_1", **about),
        said("refund.failed", 1, "msg_1", **about, refund_id="ref_1"),
        said("refund.succeeded", 2, "msg_1", **about, refund_id="ref_2"),
        said("payment.succeeded", 0, "msg_1", **about, total_amount=5),
    ]
    for one in told:
        record(database, [one])
    project(database)
    lines = audited(settings, "cus_1")
    assert [(line["kind"], line["id"], line["to"]) for line in lines] == [
        ("payment", "pay_1", "succeeded"),
        ("refund", "ref_1", "failed"),
        ("refund", "ref_2", "succeeded"),
        ("payment", "pay_1", "succeeded"),
    ]
    assert [line["version"] for line in lines] == [1, 2, 3, 4]


def test_a_refusal_and_a_gap_stand_beside_their_deliveries(
    database: str, settings: Settings
) -> None:
    about = {"dispute_id": "dp_1", "customer_id": "cus_1"}
    record(
        database, [said("dispute.won", 1, None, **about), said("dispute.lost", 2, None, **about)]
    )
    project(database)
    won, lost = audited(settings, "cus_1")
    assert (won["verdict"], won["gap"], won["from"], won["to"]) == ("applied", True, None, "won")
    assert (lost["verdict"], lost["from"], lost["to"]) == ("refused", "won", "won")
    assert lost["reason"]
    assert (lost["signature_verified"], lost["occurred_at"]) == (None, "2026-05-01T12:02:00Z")


def test_what_the_read_models_do_not_show_yet_is_there_without_a_verdict(
    database: str, settings: Settings
) -> None:
    about = {"subscription_id": "sub_1", "customer_id": "cus_1"}
    record(database, [said("subscription.active", 0, None, **about)])
    project(database)
    record(database, [said("subscription.on_hold", 1, None, **about)])
    shown, unshown = audited(settings, "cus_1")
    assert (shown["verdict"], unshown["verdict"], unshown["gap"]) == ("applied", None, None)
    assert (unshown["id"], unshown["occurred_at"]) == ("sub_1", "2026-05-01T12:01:00Z")
    assert hash_of(unshown) == unshown["hash"]


def test_what_no_state_machine_takes_is_told_where_it_names_the_customer(
    database: str, settings: Settings
) -> None:
    him, other = {"customer_id": "cus_1"}, {"customer_id": "cus_2"}
    told = [
        said("never.heard_of", 0, "msg_1", customer=him),
        delivery(b'{"type": "payment.succeeded", broken "cus_1"', "msg_2"),
        said("never.heard_of", 1, "msg_3", customer=other, metadata={"customer_id": "cus_1"}),
        delivery(b'{"type": "payment.succeeded", broken "cus_11"', "msg_4"),
        # Under one webhook-id, both in one stream.
        said("never.heard_of", 2, "msg_5", customer=other),
        said("never.heard_of", 2, "msg_5", customer=him),
    ]
    record(database, told)
    lines = audited(settings, "cus_1")
    assert [line["webhook_id"] for line in lines] == ["msg_1", "msg_2", "msg_5"]
    assert {line["kind"] for line in lines} == {"notice"}
    assert all(hash_of(line) == line["hash"] for line in lines)
    assert '"cus_2"' not in "".join(line["body"] for line in lines)
    project(database)
    assert [line["verdict"] for line in audited(settings, "cus_1")] == [None, "refused", None]


def test_of_what_two_customers_have_had_each_is_told_what_is_not_the_others(
    database: str, settings: Settings
) -> None:
    about = {"subscription_id": "sub_1"}
    told = [
        said("subscription.active", 0, "msg_1", **about, customer={"customer_id": "cus_1"}),
        said("subscription.renewed", 1, "msg_2", **about),
        said("subscription.renewed", 2, "msg_3", **about, customer={"customer_id": "cus_2"}),
    ]
    record(database, told)
    project(database)
    for customer_id, webhook_ids in (("cus_1", ["msg_1", "msg_2"]), ("cus_2", ["msg_2", "msg_3"])):
        lines = audited(settings, customer_id)
        assert [line["webhook_id"] for line in lines] == webhook_ids


def test_signatures_are_checked_with_the_secrets_in_hand(database: str, tmp_path: Path) -> None:
    body = sample("payment.succeeded")
    body["data"]["customer"] = {"customer_id": "cus_1"}
    with served(database) as server:
        position = server.deliver(json.dumps(body).encode())
        server.get("/v1/payments", min_position=position)
    for keys, verified in (
        ((), None),
        ((SECRET,), True),
        ((OTHER, SECRET), True),
        ((OTHER,), False),
    ):
        settings = Settings(home=tmp_path, database_url=database, webhook_keys=keys)
        (line,) = audited(settings, "cus_1")
        assert line["signature_verified"] is verified
        assert json.loads(line["body"]) == body
    wrong = Settings(home=tmp_path, database_url=database, webhook_keys=("whsec_!",))
    with pytest.raises(SettingsError, match="DODO_PAYMENTS_WEBHOOK_KEY"):
        audited(wrong, "cus_1")


def test_a_customer_who_was_never_seen_is_told(settings: Settings) -> None:
    with pytest.raises(AuditingError, match="no customer with this id has been seen"):
        audited(settings, "cus_x")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("state = '\\x01'", "position 2: its state cannot be decoded"),
        ("topic = 'nothing.known'", "position 2: it is not a delivery of its stream"),
    ],
)
def test_what_was_tampered_with_beyond_reading_is_named(
    database: str, settings: Settings, change: str, told: str
) -> None:
    about = {"subscription_id": "sub_1", "customer_id": "cus_1"}
    record(database, [said("subscription.updated", n, None, **about) for n in range(3)])
    project(database)
    with connected(database) as conn:
        conn.execute(f"UPDATE raphus.ledger_events SET {change} WHERE notification_id = 2".encode())
    with pytest.raises(AuditingError, match=told):
        audited(settings, "cus_1")


def test_a_row_that_is_gone_leaves_the_next_without_a_previous_hash(
    database: str, settings: Settings
) -> None:
    about = {"subscription_id": "sub_1", "customer_id": "cus_1"}
    record(database, [said("subscription.updated", n, None, **about) for n in range(3)])
    project(database)
    with connected(database) as conn:
        conn.execute("DELETE FROM raphus.ledger_events WHERE notification_id = 2")
    first, last = audited(settings, "cus_1")
    assert hash_of(first) == first["hash"]
    assert last["previous_hash"] is None
