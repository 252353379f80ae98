"""A database whose clock jumps: what is recorded, how it heals, and what was known when."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.application import Ledger
from ledger.following.known_position import position_at
from ledger.integrity.diagnosis import Fault
from ledger.integrity.verify import Correction, verify
from tests.support.connected import connected
from tests.support.deliveries import receipts, renewals
from tests.support.http_server import Served, served
from tests.support.log import broken_links, lines
from tests.support.rebuilds import rebuilt
from tests.support.samples import sample
from tests.support.tampered import tamper

if TYPE_CHECKING:
    from domain.delivery import Delivery
    from ledger.integrity.verify import Verified

HOUR = timedelta(hours=1)
NEAR = timedelta(minutes=4)
SUBSCRIPTION = "/v1/subscriptions/sub_1"

# In this database, whoever asks for the time is told another.
_SHIFTABLE = """
    ALTER FUNCTION pg_catalog.clock_timestamp() RENAME TO true_clock_timestamp;
    CREATE TABLE public.clock (shift interval NOT NULL);
    INSERT INTO public.clock VALUES ('0');
    CREATE FUNCTION pg_catalog.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
    'SELECT pg_catalog.true_clock_timestamp() + (SELECT shift FROM public.clock)';
"""


@pytest.fixture
def shifted(database: str) -> str:
    """Give a database whose clock can be shifted."""
    tamper(database, _SHIFTABLE)
    return database


def shift(conninfo: str, by: timedelta) -> None:
    """Let the database's clock be so much ahead."""
    tamper(conninfo, f"UPDATE public.clock SET shift = '{by.total_seconds()} s'")


def fresh(numbers: range) -> list[Delivery]:
    """Make deliveries that were signed now."""
    now = str(int(datetime.now(UTC).timestamp()))
    return [
        msgspec.structs.replace(one, webhook_timestamp=now) for one in renewals(numbers, streams=3)
    ]


def verified(conninfo: str) -> Verified:
    with connected(conninfo) as conn:
        return verify(conn)


def is_now(moment: datetime) -> bool:
    return abs(datetime.now(UTC) - moment) < NEAR


@pytest.mark.parametrize("by", [HOUR, -HOUR])
def test_a_jump_of_the_databases_clock_does_not_enter_the_log(
    shifted: str, by: timedelta, caplog: pytest.LogCaptureFixture
) -> None:
    with Ledger(shifted) as ledger, caplog.at_level(logging.WARNING):
        for first in range(0, 30, 10):
            receipts(ledger.record(fresh(range(first, first + 10))))
            shift(shifted, by)
    assert all(is_now(line.recorded_at) for line in lines(shifted))
    assert (verified(shifted).fault, verified(shifted).corrections) == (None, ())
    # Told once, although two batches met it.
    (told,) = (record.getMessage() for record in caplog.records if "clock" in record.getMessage())
    assert told.startswith("the database's clock is ")


def test_a_log_that_is_ahead_steps_back_to_the_true_time_and_verify_tells(shifted: str) -> None:
    with Ledger(shifted) as ledger:
        receipts(ledger.record(renewals(range(3))))
        shift(shifted, HOUR)
        receipts(ledger.record(renewals(range(3, 5))))  # as an older release would do
        shift(shifted, timedelta(0))
        receipts(ledger.record(renewals(range(5, 6))))  # not signed now, so not vouched for
        receipts(ledger.record(fresh(range(6, 9))))
        receipts(ledger.record(fresh(range(9, 10))))
    times = [line.recorded_at for line in lines(shifted)]
    assert all(is_now(at - HOUR) for at in times[3:6])
    assert all(is_now(at) for at in times[:3] + times[6:])
    assert times[6:] == sorted(times[6:])
    assert broken_links(lines(shifted)) == []
    found = verified(shifted)
    assert (found.fault, found.events) == (None, 10)
    assert found.corrections == (Correction(7, times[5], times[6]),)


def test_a_clock_that_jumps_back_together_with_ours_makes_nothing_unknown(shifted: str) -> None:
    ago = str(int((datetime.now(UTC) - HOUR).timestamp()))
    with Ledger(shifted) as ledger:
        receipts(ledger.record(fresh(range(3))))
        shift(shifted, -HOUR)
        # Our clock says what it says: what was signed an hour away from it does not vouch for it.
        old = [msgspec.structs.replace(one, webhook_timestamp=ago) for one in fresh(range(3, 5))]
        receipts(ledger.record(old))
    times = [line.recorded_at for line in lines(shifted)]
    assert times == sorted(times)
    assert verified(shifted).corrections == ()


@pytest.mark.parametrize(
    ("forged", "position"),
    [
        ("DELETE FROM raphus.clock_corrections", 3),
        ("UPDATE raphus.clock_corrections SET recorded_at = recorded_at - interval '1 s'", 3),
        ("UPDATE raphus.clock_corrections SET position = 2", 2),
        ("INSERT INTO raphus.clock_corrections VALUES (4, 'infinity', '-infinity')", 4),
        ("INSERT INTO raphus.clock_corrections VALUES (9, now() + interval '1 h', now())", 9),
    ],
)
def test_corrections_that_the_log_does_not_have_are_found(
    shifted: str, forged: str, position: int
) -> None:
    with Ledger(shifted) as ledger:
        shift(shifted, HOUR)
        receipts(ledger.record(renewals(range(2))))
        receipts(ledger.record(fresh(range(2, 5))))
    assert verified(shifted).fault is None
    tamper(shifted, forged)
    found = verified(shifted).fault
    assert isinstance(found, Fault)
    assert found.position == position


def tell(server: Served, type_: str, at: str) -> datetime:
    """Deliver a body, wait until it shows, and return the time in between two events."""
    body = sample(type_)
    body["timestamp"] = at
    body["data"] |= {"subscription_id": "sub_1", "status": None}
    position = server.deliver(json.dumps(body).encode())
    server.get("/v1/refusals", min_position=position)
    return datetime.now(UTC)


def everything(server: Served, **then: str) -> list[object]:
    """Ask all that can be asked of the past, until it is prepared."""
    answers = [
        server.get(f"{SUBSCRIPTION}{what}", **then) for what in ("", "/timeline", "/explain")
    ]
    answers += [server.get(path, **then)["items"] for path in ("/v1/subscriptions", "/v1/refusals")]
    return [*answers, [one["position"] for one in server.get("/v1/events", **then)["items"]]]


def test_everything_that_was_known_then_agrees_before_and_after_the_correction(
    shifted: str,
) -> None:
    with served(shifted) as server:
        began = tell(server, "subscription.active", "2026-04-01T00:00:00Z")
        then = everything(server)
        # The log as an older release leaves it behind, whose clock was wrong for a while.
        shift(shifted, HOUR)
        with Ledger(shifted) as older:
            receipts(older.record(renewals(range(1), of="another")))
        shift(shifted, timedelta(0))
        assert server.get("/readyz")["warnings"].keys() == {"clock"}
        hidden = server.get("/v1/events", known_at=datetime.now(UTC).isoformat())["items"]
        assert [one["position"] for one in hidden] == ["1"]
        tell(server, "subscription.cancelled", "2026-05-01T00:00:00Z")
        last = tell(server, "subscription.on_hold", "2026-04-15T00:00:00Z")
        assert server.get("/readyz")["warnings"] == {}
        assert everything(server, known_at=began.isoformat()) == then
        assert everything(server, known_at=last.isoformat()) == everything(server)
        assert everything(server)[-1] == ["1", "2", "3", "4"]
    assert verified(shifted).fault is None
    assert rebuilt(shifted, check=True).equal


def test_readyz_warns_while_the_clocks_disagree_and_is_ready_all_the_same(shifted: str) -> None:
    with served(shifted) as server:
        assert server.get("/readyz")["warnings"] == {}
        shift(shifted, -HOUR)
        warnings = server.get("/readyz")["warnings"]
        assert "behind this process'" in warnings["clock"]


STRETCHES = st.lists(
    st.lists(st.integers(0, 20), min_size=1, max_size=5).map(sorted), min_size=1, max_size=6
)


@given(stretches=STRETCHES)
def test_a_time_is_the_last_position_recorded_by_then(
    database: str, stretches: list[list[int]]
) -> None:
    minutes = [minute for stretch in stretches for minute in stretch]
    begun = datetime(2026, 5, 1, tzinfo=UTC)
    times = [begun + timedelta(minutes=minute) for minute in minutes]
    steps = [n for n in range(1, len(times)) if times[n] < times[n - 1]]
    with connected(database) as conn, conn.cursor() as curs:
        curs.execute("TRUNCATE raphus.ledger_events, raphus.clock_corrections")
        curs.executemany(
            "INSERT INTO raphus.ledger_events (originator_id, originator_version, notification_id,"
            " webhook_id, recorded_at, hash) VALUES ('x', %s, %s, '', %s, '')",
            [(n, n, at) for n, at in enumerate(times, start=1)],
        )
        curs.executemany(
            "INSERT INTO raphus.clock_corrections VALUES (%s, %s, %s)",
            [(n + 1, times[n - 1], times[n]) for n in steps],
        )
        for minute in range(-1, 22):
            known_at = begun + timedelta(minutes=minute)
            statement = position_at(known_at)
            found = curs.execute(statement.sql.encode(), statement.params).fetchone()
            expected = [n for n, at in enumerate(times, start=1) if at <= known_at]
            assert found == (max(expected, default=0),)
