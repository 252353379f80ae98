"""A type that a release begins to understand is understood for what was stored before, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.sql import SQL, Identifier

from ledger.application import Ledger
from ledger.integrity.verify import verify
from projections.read_models.catalogue import READ_MODELS
from projections.rebuild.rebuild import rebuild
from telemetry.progress import silent
from tests.support.connected import connected
from tests.support.deliveries import receipts
from tests.support.histories import aggregates, delivery, said
from tests.support.http_server import copied
from tests.support.projected import forget, project, record, shown, simulated
from tests.support.samples import samples
from tests.support.upgrades import LATER, unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from domain.delivery import Delivery

DELIVERED = {type_: delivery(samples()[type_], f"msg_{type_}") for type_ in LATER}


def reset(conninfo: str) -> None:
    """Empty the log and all that follows from it."""
    forget(conninfo)
    with connected(conninfo) as conn:
        conn.execute("TRUNCATE raphus.ledger_events, raphus.homes")


def contents(conninfo: str) -> dict[str, list[str]]:
    """Read all read models, without the times of recording."""
    with connected(conninfo) as conn:
        tables = {}
        for model in READ_MODELS:
            names = [column.name for column in model.columns if column.name != "recorded_at"]
            columns = SQL(", ").join(map(Identifier, names))
            table = Identifier("raphus", model.table)
            select = SQL("SELECT ROW({})::text FROM {}").format(columns, table)
            tables[model.table] = sorted(text for (text,) in conn.execute(select))
    return tables


@pytest.fixture(scope="module")
def upgraded(cluster: str, template: str) -> Iterator[str]:
    """Give a log that was written and followed while 22 types were unknown, and then upgraded."""
    with copied(cluster, template) as conninfo:
        with unknown(LATER):
            record(conninfo, list(DELIVERED.values()))
            project(conninfo)
            assert stream_kinds(conninfo) == {"notice"}
        project(conninfo)
        yield conninfo


def stream_kinds(conninfo: str) -> set[str]:
    with connected(conninfo) as conn:
        found = conn.execute("SELECT DISTINCT split_part(stream_id, '/', 1) FROM raphus.timeline")
        return {kind for (kind,) in found}


def test_the_log_still_says_that_they_were_notices_and_is_whole(upgraded: str) -> None:
    with connected(upgraded) as conn:
        recorded = conn.execute("SELECT originator_id, topic FROM raphus.ledger_events").fetchall()
    assert {stream.partition("/")[0] for stream, _ in recorded} == {"notice"}
    assert sorted(topic for _, topic in recorded) == LATER
    with connected(upgraded) as conn:
        verified = verify(conn)
    assert (verified.fault, verified.events) == (None, len(LATER))


@pytest.mark.parametrize("type_", LATER)
def test_a_type_is_understood_for_what_was_stored_before(upgraded: str, type_: str) -> None:
    every = aggregates(DELIVERED.values()).values()
    ((stream, expected),) = (
        (stream, entry)
        for stream in every
        for entry in stream.timeline()
        if entry.webhook_id == f"msg_{type_}"
    )
    with connected(upgraded) as conn:
        (found,) = conn.execute(
            "SELECT stream_id, kind, id, verdict, to_status, position FROM raphus.timeline"
            " WHERE webhook_id = %s",
            [f"msg_{type_}"],
        ).fetchall()
    kind, place = type_.partition(".")[0], LATER.index(type_) + 1
    assert found[:4] == (stream.id, kind, expected.id, str(expected.verdict))
    assert found[5] == place


@pytest.mark.parametrize("type_", LATER)
def test_a_retry_of_what_was_stored_before_is_a_duplicate(upgraded: str, type_: str) -> None:
    with Ledger(upgraded) as ledger:
        (receipt,) = receipts(ledger.record([DELIVERED[type_]]))
    assert (receipt.position, receipt.duplicate) == (LATER.index(type_) + 1, True)


def test_live_and_rebuilt_are_equal(upgraded: str) -> None:
    assert rebuild(upgraded, READ_MODELS, check=True, progress=silent).equal


def test_a_rebuild_alone_understands_them(database: str) -> None:
    with unknown(LATER):
        record(database, list(DELIVERED.values()))
        project(database)
    assert "notice" in stream_kinds(database)
    rebuild(database, READ_MODELS, check=False, progress=silent)
    assert "notice" not in stream_kinds(database)
    once = shown(database)
    project(database)
    assert shown(database) == once


def test_another_body_of_what_was_stored_before_is_a_further_observation(database: str) -> None:
    type_ = "payout.in_progress"
    first, later = DELIVERED[type_], samples()[type_].replace(b'"in_progress"', b'"success"')
    with unknown([type_]):
        record(database, [first])
        project(database)
    record(
        database,
        [delivery(later.replace(b'payout.success"', b'payout.in_progress"'), first.webhook_id)],
    )
    project(database)
    with connected(database) as conn:
        found = conn.execute("SELECT folded_status, observed_status FROM raphus.payouts").fetchall()
        lines = conn.execute("SELECT position FROM raphus.timeline").fetchall()
    assert found == [("in_progress", "success")]
    assert lines == [(1,)]


def test_any_split_of_deliveries_before_and_after_leads_to_the_same(database: str) -> None:
    deliveries = [*simulated(4), *DELIVERED.values()]
    once = list({(one.webhook_id, one.body): one for one in deliveries}.values())
    record(database, once)
    project(database)
    expected = contents(database)

    @settings(max_examples=6)
    @given(
        split=st.integers(0, len(once)),
        followed=st.integers(0, len(once)),
        types=st.lists(st.sampled_from(LATER), min_size=4, unique=True),
    )
    def check(split: int, followed: int, types: list[str]) -> None:
        reset(database)
        with unknown(types):
            record(database, once[: min(split, followed)])
            project(database)
            record(database, once[min(split, followed) : split])
        record(database, _repeated(once, split))
        project(database)
        assert contents(database) == expected
        assert rebuild(database, READ_MODELS, check=True, progress=silent).equal

    check()


def _repeated(once: Sequence[Delivery], split: int) -> list[Delivery]:
    """What comes after the upgrade, with retries of what came before it."""
    return [*once[max(0, split - 30) : split], *once[split:]]


def test_what_an_older_release_stores_meanwhile_is_found_by_a_newer_one_that_runs(
    database: str,
) -> None:
    told = [
        said("entitlement_grant.created", n, f"msg_{n}", id=f"grant_{n}", customer_id="cus_1")
        for n in range(3)
    ]
    with Ledger(database) as newer:
        (first,) = receipts(newer.record(told[:1]))
        newer.record(told[2:])  # so it has looked at a log that has no such notice
        with unknown(LATER), Ledger(database) as older:
            (second,) = receipts(older.record(told[1:2]))
        again = receipts(newer.record([told[2], told[1], told[0]]))
    assert [receipt.duplicate for receipt in again] == [True, True, True]
    assert [again[1].position, again[2].position] == [second.position, first.position]
