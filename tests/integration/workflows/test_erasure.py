"""Erasure: of one customer, all that identifies him is gone; all else is as it was."""

from __future__ import annotations

import json
import re
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec
import psycopg
import pytest

from cli.commands.audit import audit
from cli.settings import Settings
from domain.aggregates.erasure import TOPIC
from domain.delivery import Delivery
from domain.personal_data import customers_of
from ledger.application import Ledger
from ledger.erasure import (
    ErasureError,
    Request,
    SeveralBusinessesError,
    UnknownCustomerError,
)
from ledger.integrity.verify import verify
from ledger.mapper import LedgerMapper
from postgres.advisory_locks import AdvisoryLock, lock_in_transaction
from projections.read_models.catalogue import READ_MODELS
from projections.rebuild import snapshots
from projections.rebuild.rebuild import rebuild
from telemetry.progress import silent
from tests.support.connected import connected
from tests.support.deliveries import receipts
from tests.support.erasures import killed
from tests.support.histories import delivery, said
from tests.support.log import lines
from tests.support.projected import project, record, running, shown
from tests.support.upgrades import LATER, unknown
from tests.support.waiting import until
from workflows.erasure import STEPS, Forgotten, forget, look

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.http_server import CopyOf

HIS = {
    "customer_id": "cus_1",
    "email": "jane@example.com",
    "name": "Jane Doe",
    "phone_number": "+49301234567",
    "metadata": {"nickname": "Janie"},
    "unknown": "Doe-2",
}
OTHER = {"customer_id": "cus_2", "email": "other@example.com", "name": "Other Person"}
PERSONAL = (
    b"jane@example.com",
    b"Jane Doe",
    b"+49301234567",
    b"Janie",
    b"Doe-2",
    b"Rose Street",
    b"DE123456789",
    b'"4242"',
    b"I moved",
    b"user-42",
)
BILLING = {"country": "DE", "street": "Rose Street 1", "city": "Berlin", "zipcode": "10115"}


def life() -> list[Delivery]:
    """A customer's webhooks, one of each kind, and another's between them."""
    paid = {"payment_id": "pay_1", "total_amount": 900, "currency": "EUR", "status": "succeeded"}
    return [
        said(
            "subscription.active",
            0,
            "msg_1",
            subscription_id="sub_1",
            status="active",
            customer=HIS,
            billing=BILLING,
            metadata={"user": "user-42"},
            recurring_pre_tax_amount=900,
            tax_id="DE123456789",
        ),
        said(
            "payment.succeeded",
            1,
            "msg_2",
            **paid,
            subscription_id="sub_1",
            customer=HIS,
            billing=BILLING,
            card_last_four="4242",
        ),
        said("payment.succeeded", 1, "msg_3", **{**paid, "payment_id": "pay_2"}, customer=OTHER),
        # These two name nobody: they are his through his payment.
        said(
            "refund.succeeded",
            2,
            "msg_4",
            refund_id="ref_1",
            payment_id="pay_1",
            reason="I moved",
            amount=900,
            currency="EUR",
            status="succeeded",
        ),
        said(
            "dispute.opened",
            3,
            "msg_5",
            dispute_id="dp_1",
            payment_id="pay_1",
            remarks="I moved",
            amount="900",
            currency="EUR",
            dispute_status="dispute_opened",
            dispute_stage="dispute",
        ),
        said(
            "license_key.created",
            4,
            "msg_6",
            id="lic_1",
            customer_id="cus_1",
            key="user-42",
            payment_id="pay_1",
            status="active",
        ),
        said("credit.added", 5, "msg_7", customer_id="cus_1", description="I moved", amount=5),
        delivery(b'{"type": "payment.succeeded", broken "cus_1" jane@example.com', "msg_8"),
        said(
            "subscription.renewed",
            6,
            "msg_9",
            subscription_id="sub_shared",
            status="active",
            customer=OTHER,
        ),
        said(
            "subscription.renewed",
            7,
            "msg_10",
            subscription_id="sub_shared",
            status="active",
            customer=HIS,
        ),
        # He is named here by somebody else, who can write what he likes.
        said(
            "subscription.renewed",
            8,
            "msg_11",
            subscription_id="sub_2",
            status="active",
            customer=OTHER,
            metadata={"referrer": "cus_1"},
        ),
    ]


def without_reasons(tables: dict[str, list[str]]) -> dict[str, list[str]]:
    """Leave out why a body cannot be read, which tells where it is wrong."""
    return {
        table: [re.sub(r'"the body is not a delivery: .*?"', "", row) for row in rows]
        for table, rows in tables.items()
    }


def impersonal(tables: dict[str, list[str]]) -> dict[str, list[str]]:
    """Leave out what an erasure may change: who a customer is, metadata, and what he wrote."""
    return {
        table: sorted(re.sub(MAY_CHANGE, "", row) for row in rows)
        for table, rows in without_reasons(tables).items()
        if table != "identities"
    }


# As PostgreSQL writes rows: texts, metadata, which is the last column or stands before a list, and
# parts of a column of JSON.
MAY_CHANGE = (
    r',"?\{[^}]*\}"?(?=\)$|,\[)|""metadata"":\{[^}]*\}'
    r'|""(reason|remarks|tax_id)"":(null|""I moved""|""DE123456789"")|"I moved"|DE123456789'
)
OF_HIS = {1, 2, 4, 5, 6, 7, 8, 10}


def erase(conninfo: str, customer_id: str = "cus_1", business_id: str | None = None) -> Forgotten:
    return forget(conninfo, Request(customer_id, business_id, "he asked", "support"))


def everything(conninfo: str) -> bytes:
    """All that stands in any table of any schema of Raphus, as bytes."""
    with connected(conninfo) as conn:
        tables = conn.execute(
            "SELECT format('%I.%I', nspname, relname) FROM pg_class JOIN pg_namespace AS n"
            " ON n.oid = relnamespace WHERE nspname LIKE 'raphus%' AND relkind = 'r'"
        ).fetchall()
        texts = [
            row
            for (table,) in tables
            for row in conn.execute(f"SELECT t::text FROM {table} AS t".encode())
        ]
    log = b"".join(line.state for line in lines(conninfo))
    return log + repr(texts).encode()


def lived(conninfo: str) -> None:
    record(conninfo, life())
    project(conninfo)


@pytest.fixture
def projected(copy_of: CopyOf) -> Iterator[str]:
    """A database with the log of two customers, and read models that show it."""
    with copy_of(lived) as conninfo:
        yield conninfo


def lived_and_erased(conninfo: str) -> None:
    lived(conninfo)
    erase(conninfo)


@pytest.fixture
def erased(copy_of: CopyOf) -> Iterator[str]:
    """The same, when one of the customers has been forgotten."""
    with copy_of(lived_and_erased) as conninfo:
        yield conninfo


def test_nothing_of_him_is_left_and_nothing_of_the_other_is_lost(projected: str) -> None:
    before = lines(projected)
    assert all(text in everything(projected) for text in PERSONAL)
    found = look(projected, "cus_1", None)
    forgotten = erase(projected)
    assert forgotten.events == found.events
    assert sum(found.events.values()) == len(OF_HIS)
    left = everything(projected)
    assert [text for text in PERSONAL if text in left] == []
    after = lines(projected)
    same = {line.position for line in before if line in after}
    assert same == {line.position for line in before} - OF_HIS
    assert (after[-1].topic, after[-1].position) == (TOPIC, forgotten.position)


def test_the_audit_tells_all_that_an_erasure_empties_and_nothing_of_the_other(
    projected: str, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path, database_url=projected)
    told = {int(json.loads(line)["position"]) for line in audit(settings, "cus_1")}
    assert told == OF_HIS
    erase(projected)
    lines = [json.loads(line) for line in audit(settings, "cus_1")]
    # Of the body that cannot be parsed nothing is left, so nothing of it names anybody.
    assert {int(line["position"]) for line in lines} == OF_HIS - {8}
    assert all(line["erased_by"] for line in lines)


def test_ids_amounts_times_and_states_stay_and_history_says_the_same(projected: str) -> None:
    before = shown(projected)
    erase(projected)
    now = shown(projected)
    written = {table: "".join(rows).count("I moved") for table, rows in before.items()}
    assert {table for table, count in written.items() if count} == {
        "refunds",
        "disputes",
        "holdings",
    }
    assert impersonal(now) == impersonal(before)
    project(projected)
    assert rebuild(projected, READ_MODELS, check=True, progress=silent).equal


def test_what_was_stored_before_its_type_was_understood_goes_where_it_belongs(
    database: str,
) -> None:
    told = [
        said(
            "entitlement_grant.created",
            0,
            "msg_1",
            id="grant_1",
            customer_id="cus_1",
            license_key={"id": "lic_1", "key": "JANE-KEY", "status": "active"},
            metadata={"who": "Jane Doe"},
        ),
        # This one names nobody: it is his through the grant.
        said("entitlement_grant.failed", 1, "msg_2", id="grant_1", description="Jane Doe"),
    ]
    with unknown(LATER):
        record(database, told)
        project(database)
    forgotten = erase(database)
    assert forgotten.events == {"entitlement_grant.created": 1, "entitlement_grant.failed": 1}
    left = everything(database)
    assert [text for text in (b"Jane Doe", b"JANE-KEY") if text in left] == []
    with connected(database) as conn:
        found = conn.execute("SELECT license_key_id, metadata FROM raphus.entitlement_grants")
        assert found.fetchall() == [("lic_1", {})]
    project(database)
    assert rebuild(database, READ_MODELS, check=True, progress=silent).equal
    with Ledger(database) as ledger:
        retried = receipts(ledger.record(told))
    assert [(one.position, one.duplicate) for one in retried] == [(1, True), (2, True)]


def test_the_log_is_still_proved_and_tells_which_rows_were_emptied_by_what(projected: str) -> None:
    kept = lines(projected)[-1]
    forgotten = erase(projected)
    with connected(projected) as conn:
        found = verify(conn)
    assert found.fault is None
    assert [line.hash for line in lines(projected)[: kept.position]][-1] == kept.hash
    (one,) = found.erasures
    assert one.position == forgotten.position
    assert {position for position, _ in one.erasure.emptied()} == OF_HIS
    assert (one.erasure.reason, one.erasure.requested_by) == ("he asked", "support")


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        (
            (
                "UPDATE raphus.ledger_events SET content_hash = sha256(state), state = '\\x01'"
                " WHERE notification_id = 3"
            ),
            "cannot be decoded",
        ),
        (
            (
                "UPDATE raphus.ledger_events AS e SET content_hash = sha256(e.state), "
                " state = o.state, webhook_id = e.webhook_id FROM raphus.ledger_events AS o"
                " WHERE e.notification_id = 3 AND o.notification_id = 3"
            ),
            "no recorded erasure names it",
        ),
        (
            (
                "UPDATE raphus.ledger_events SET state = state || '' , content_hash = NULL"
                " WHERE notification_id = 2"
            ),
            "was changed",
        ),
        (
            (
                "UPDATE raphus.ledger_events SET state = decode(replace(encode(state, 'escape'),"
                " '900', '901'), 'escape') WHERE notification_id = 2"
            ),
            "its content was changed since the erasure",
        ),
    ],
)
def test_a_row_that_was_emptied_or_changed_by_another_hand_is_found(
    erased: str, statement: str, problem: str
) -> None:
    with connected(erased) as conn:
        conn.execute(statement.encode())
    with connected(erased) as conn:
        fault = verify(conn).fault
    assert fault is not None
    assert problem in fault.problem


def test_a_content_that_is_put_back_is_found(copy_of: CopyOf, erased: str) -> None:
    with copy_of(lived) as before:
        was = lines(before)[1]
    with connected(erased) as conn:
        conn.execute(
            "UPDATE raphus.ledger_events SET state = %s, content_hash = NULL"
            " WHERE notification_id = 2",
            [was.state],
        )
    with connected(erased) as conn:
        fault = verify(conn).fault
    assert fault is not None
    assert "names it, but its content is there" in fault.problem


def test_a_retry_of_an_emptied_webhook_is_still_a_duplicate(erased: str) -> None:
    count = len(lines(erased))
    with Ledger(erased) as ledger:
        answers = receipts(ledger.record(life()))
    assert all(answer.duplicate for answer in answers)
    assert len(lines(erased)) == count


def test_what_is_not_projected_yet_is_emptied_too(database: str) -> None:
    record(database, life()[:3])
    project(database)
    record(database, life())
    erase(database)
    project(database)
    left = everything(database)
    assert [text for text in PERSONAL if text in left] == []


def test_a_second_erasure_finds_nothing_and_records_nothing(erased: str) -> None:
    count = len(lines(erased))
    assert erase(erased).position is None
    assert len(lines(erased)) == count


def test_two_erasures_at_once_are_one(projected: str) -> None:
    with ThreadPoolExecutor(2) as threads:
        both = list(threads.map(lambda _: erase(projected), range(2)))
    assert sorted(one.position is None for one in both) == [False, True]
    with connected(projected) as conn:
        assert verify(conn).fault is None


def test_an_unknown_customer_and_one_of_several_businesses_are_told(projected: str) -> None:
    with pytest.raises(UnknownCustomerError):
        erase(projected, "cus_9")
    (theirs, *_) = life()
    elsewhere = msgspec.structs.replace(
        theirs, webhook_id="msg_b", body=theirs.body.replace(b"bus_1", b"bus_2")
    )
    record(projected, [elsewhere])
    with pytest.raises(SeveralBusinessesError, match="bus_1, bus_2"):
        erase(projected)
    erase(projected, business_id="bus_2")
    assert lines(projected)[11].state[0] == 2
    assert lines(projected)[0].state[0] == 1


def test_who_is_unknown_is_told_so_though_a_rebuild_runs(projected: str) -> None:
    with psycopg.connect(projected) as conn:
        lock_in_transaction(conn, AdvisoryLock.REBUILD)
        with pytest.raises(UnknownCustomerError):
            erase(projected, "cus_9")


def test_snapshots_of_what_was_known_are_dropped(projected: str) -> None:
    snapshots.provide(projected, 5, silent)
    erase(projected)
    with connected(projected) as conn:
        ((left,),) = conn.execute(
            "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'raphus_known_%'"
        ).fetchall()
    assert left == 0
    snapshots.provide(projected, 5, silent)


def test_while_a_rebuild_runs_nothing_is_erased_and_it_is_told(
    projected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = len(lines(projected))

    def meanwhile(phase: str, _done: int, _total: int) -> None:
        if phase in {"write", "compare"}:
            # Only here: what a rebuild held is free soon after it, not at once.
            with monkeypatch.context() as patch:
                patch.setattr("workflows.erasure._BEGIN", "SET LOCAL lock_timeout = '100ms'")
                with pytest.raises(ErasureError, match="rebuilt"):
                    erase(projected)

    rebuild(projected, READ_MODELS, check=False, progress=meanwhile)
    assert len(lines(projected)) == count
    erase(projected)


def test_webhooks_that_arrive_meanwhile_are_stored_and_counted(database: str) -> None:
    record(database, life())
    further = [
        said("payment.processing", n, f"later_{n}", payment_id=f"later_{n}", customer=HIS)
        for n in range(200)
    ]
    with running(database), Ledger(database) as ledger:
        erasing = threading.Thread(target=erase, args=[database])
        erasing.start()
        for one in further:
            receipts(ledger.record([one]))
        erasing.join()
    project(database)
    with connected(database) as conn:
        found = verify(conn)
    assert found.fault is None
    assert found.events == len(life()) + len(further) + 1
    (recorded,) = found.erasures
    named = {position for position, _ in recorded.erasure.emptied()}
    decode = LedgerMapper().decode
    for line in lines(database):
        event = decode(*line[:5])
        if "cus_1" in (customers_of(event.delivery.body) or ()) and line.topic != TOPIC:
            assert (line.state[0] == 2) == (line.position in named)
            assert line.state[0] == 2 or line.position > recorded.position or line.position == 11
    assert rebuild(database, READ_MODELS, check=True, progress=silent).equal


def test_a_webhook_that_calls_itself_an_erasure_is_a_notice(database: str) -> None:
    forged = said(TOPIC, 0, "msg_1", customer_id="cus_1", reason="", positions=[[1, 1]])
    record(database, [forged])
    (line,) = lines(database)
    assert line.originator_id == "notice/msg_1"
    with connected(database) as conn:
        assert verify(conn).erasures == ()
    project(database)


def known(conninfo: str) -> None:
    lived(conninfo)
    snapshots.provide(conninfo, 5, silent)


@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_who_is_killed_at_any_step_has_done_nothing(copy_of: CopyOf, step: int) -> None:
    with copy_of(known) as database:
        before = everything(database)
        assert killed(database, "cus_1", step) == -signal.SIGKILL
        with connected(database, autocommit=True) as conn:
            until(lambda: others(conn) == 0)
        assert everything(database) == before
        assert erase(database).position == len(life()) + 1


def others(conn: psycopg.Connection) -> int:
    """Count the processes of the server that still work for somebody who was killed."""
    ((count,),) = conn.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name LIKE 'raphus%'"
    ).fetchall()
    return int(count)


def test_what_jobs_were_told_is_emptied_and_how_they_stand_is_not(projected: str) -> None:
    with connected(projected) as conn:
        conn.execute(
            "INSERT INTO raphus.windmill_outbox"
            " (job_id, route, stream_id, webhook_id, type, position, known_position, state,"
            " problem)"
            " SELECT gen_random_uuid(), 'r', originator_id, webhook_id, topic, notification_id,"
            " notification_id, 'parked', 'no such user: jane@example.com'"
            " FROM raphus.ledger_events"
        )
        conn.execute(
            "INSERT INTO raphus.windmill_attempts"
            " SELECT job_id, n, now(), 5, 400, CASE n WHEN 1 THEN 'nothing sent: Jane Doe'"
            " ELSE 'jane@example.com is wrong' END"
            " FROM raphus.windmill_outbox CROSS JOIN generate_series(1, 2) AS n"
        )
    assert look(projected, "cus_1", None).jobs > len(OF_HIS)
    erase(projected)
    assert look(projected, "cus_1", None).jobs == 0
    with connected(projected) as conn:
        told = conn.execute(
            "SELECT o.position, o.problem, a.answer FROM raphus.windmill_outbox AS o"
            " JOIN raphus.windmill_attempts AS a USING (job_id)"
        ).fetchall()
    his = {(problem, answer) for position, problem, answer in told if position in OF_HIS}
    assert his == {("erased", "nothing sent"), ("erased", "")}
    assert ("no such user: jane@example.com", "jane@example.com is wrong") in {
        (problem, answer) for position, problem, answer in told if position == 3
    }


def test_a_stream_that_a_late_webhook_makes_his_is_rewritten_too(
    projected: str,
) -> None:
    # Nobody is named at first. That it is his is heard of while he is being forgotten.
    nameless = said("subscription.active", 0, "n_1", subscription_id="sub_n", tax_id="DE123456789")
    record(projected, [nameless])
    project(projected)
    naming = said("subscription.renewed", 1, "n_2", subscription_id="sub_n", customer=HIS)

    def progress(_phase: str, done: int, _total: int) -> None:
        if done == STEPS - 1:
            record(projected, [naming])

    forget(projected, Request("cus_1", None, "he asked", None), progress)
    left = everything(projected)
    assert [text for text in PERSONAL if text in left] == []
    project(projected)
    assert rebuild(projected, READ_MODELS, check=True, progress=silent).equal


def test_a_follower_an_outbox_and_writers_do_not_block_each_other(database: str) -> None:
    record(database, life())
    further = [
        said("payment.processing", n, f"m_{n}", payment_id=f"pay_{n}", customer=HIS)
        for n in range(400)
    ]
    with running(database), Ledger(database) as ledger, ThreadPoolExecutor(3) as threads:
        erasing = [threads.submit(erase, database) for _ in range(3)]
        for first in range(0, 400, 20):
            receipts(ledger.record(further[first : first + 20]))
        for one in erasing:
            one.result(timeout=60)
    with connected(database) as conn:
        found = verify(conn)
    assert found.fault is None
    assert 1 <= len(found.erasures) <= 3
    assert found.events == len(life()) + 400 + len(found.erasures)
