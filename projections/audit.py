"""The audit: every delivery about a customer, verbatim, with its place and its verdict.

These are what an erasure looks at: each whose body names him, also where no state machine takes
it, and each that names nobody but belongs to what is, or was, his. Each one can be checked by
itself. Its `hash` is SHA-256 (`ledger.integrity.hash_chain.link`) over, one after the other:

- `previous_hash`, the hash of the event at the position before (zeros before position 1);
- big-endian, in 8 bytes each, `position`, `recorded_at` as microseconds since 1970, `version`;
- in 2 bytes each the lengths of `stream`, `type` and `webhook_id`;
- `stream`, `type` and `webhook_id` in UTF-8;
- `content_hash`, the SHA-256 of the state as it was recorded: a byte 1 and the msgpack array of
  `webhook_id`, `webhook_timestamp` and `webhook_signature` as strings and `body` as binary. Where
  the body has been emptied since, by the erasure `erased_by`, the line proves all but its body.

That a log still contains it, `raphus verify --against POSITION:HASH` proves. What follows from
the log, `kind` to `to`, and `signature_verified` are not covered: they are worked out anew.
"""

from __future__ import annotations

from contextlib import closing
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from domain.aggregates.erasure import ERASURE
from domain.aggregates.factory import aggregate
from domain.aggregates.routing import is_signed
from domain.delivery import ErasedDelivery
from domain.event import Event
from domain.personal_data import is_about, names
from domain.state_machine import Verdict
from ledger.erasure import OWNED
from ledger.integrity.diagnosis import delivery_of
from ledger.integrity.hash_chain import GENESIS, Row
from postgres.connections import WORKING, connect
from postgres.snapshot import READ_ONLY_SNAPSHOT
from postgres.statement import Statement
from projections.bound import events_of_business

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from domain.delivery import Delivery
    from ledger.integrity.signatures import Check


class AuditError(Exception):
    """What stands in the log is not what was recorded."""


class Audited(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """One delivery; from `kind` to `to`, the fact that it tells of.

    `verdict` to `to` are null where the read models do not show the fact yet, and
    `signature_verified` is where no secret is in hand, the body was emptied, or it is a look.
    """

    position: str
    recorded_at: datetime
    stream: str
    version: int
    webhook_id: str
    webhook_timestamp: str
    webhook_signature: str
    type: str
    body: str
    content_hash: str
    hash: str
    previous_hash: str | None
    kind: str
    id: str
    occurred_at: datetime | None
    verdict: Verdict | None
    reason: str | None
    gap: bool | None
    from_: str | None
    to: str | None
    signature_verified: bool | None
    erased_by: str | None


class _Fact(msgspec.Struct):
    """What the timeline says of a webhook-id; one may tell of several things."""

    kind: str
    id: str
    occurred_at: datetime | None = None
    verdict: Verdict | None = None
    reason: str | None = None
    gap: bool | None = None
    from_status: str | None = None
    to_status: str | None = None


# What only a body tells is found by reading the log once, as an erasure finds it.
_OF_CUSTOMER: Final = f"""
    SELECT e.recorded_stream, {", ".join(f"e.{column}" for column in Row._fields[1:])}, e.hash,
        before.hash, e.originator_id,
        (SELECT coalesce(jsonb_agg(to_jsonb(t)), '[]') FROM raphus.timeline AS t
            WHERE t.webhook_id = e.webhook_id AND t.stream_id = e.originator_id),
        found.is_of_his
    FROM (
        SELECT position, bool_or(is_of_his) AS is_of_his FROM (
            SELECT e.notification_id AS position, true AS is_of_his
            FROM ({OWNED}) AS streams
            JOIN raphus.housed_events AS e ON e.originator_id = streams.stream_id
            UNION ALL
            SELECT notification_id, false FROM raphus.ledger_events
            WHERE position(convert_to(%(customer_id)s, 'UTF8') IN state) > 0
            AND NOT starts_with(originator_id, '{ERASURE}/')
        ) AS each GROUP BY position
    ) AS found
    JOIN raphus.housed_events AS e ON e.notification_id = found.position
    LEFT JOIN raphus.ledger_events AS before ON before.notification_id = e.notification_id - 1
"""  # noqa: S608 -- constants


# Rows are held in memory by so many, and a delivery may have 1 MiB.
_CHUNK_ROWS: Final = 16


def evidence(
    conninfo: str, customer_id: str, check: Check | None, *, business_id: str | None = None
) -> Generator[Audited, None, None]:
    """Read every delivery about a customer, in order of position, from one snapshot.

    Where a business is given, only those that are its own. It may be gone on with from any thread.

    Raises:
        AuditError: what stands in the log is not what was recorded.
        psycopg.Error: the database is away.
    """
    statement = of_customer(customer_id, business_id)
    with (
        connect(conninfo, WORKING, "raphus-audit") as conn,
        conn.transaction(),
        conn.cursor(binary=True) as cursor,
    ):
        conn.execute(READ_ONLY_SNAPSHOT)
        stream = cursor.stream(statement.sql.encode(), statement.params, size=_CHUNK_ROWS)
        with closing(cast("Generator[tuple[Any, ...], None, None]", stream)) as rows:
            for row in rows:
                if (line := read(row, customer_id, check)) is not None:
                    yield line


def of_customer(customer_id: str, business_id: str | None = None) -> Statement:
    """Select, by position, every delivery of a customer's streams, and any that may name him."""
    bound = events_of_business("e", business_id)
    sql = f"{_OF_CUSTOMER} WHERE true{bound} ORDER BY e.notification_id"
    return Statement(sql, {"customer_id": customer_id, "bound_to": business_id})


def read(row: Sequence[Any], customer_id: str, check: Check | None) -> Audited | None:
    """Read a row of `of_customer`, and check its signature; times are in the connection's zone.

    None where it names another, or is of no stream of the customer's and does not name him.

    Raises:
        AuditError: its state cannot be read, or is not a delivery of its stream.
    """
    *columns, hash_, before, home, facts, is_of_his = row
    recorded = Row._make(columns)
    delivery = delivery_of(recorded)
    if isinstance(delivery, str):
        raise AuditError(f"position {recorded.notification_id}: {delivery}")
    if not (is_about if is_of_his else names)(delivery.body, customer_id):
        return None
    erased_by = delivery.erased_by if isinstance(delivery, ErasedDelivery) else None
    previous = GENESIS if recorded.notification_id == 1 else before
    fact = _fact(recorded._replace(originator_id=home), delivery, facts)
    checkable = erased_by is None and is_signed(recorded.originator_id, recorded.topic)
    return Audited(
        position=str(recorded.notification_id),
        recorded_at=recorded.recorded_at,
        stream=recorded.originator_id,
        version=recorded.originator_version,
        webhook_id=recorded.webhook_id,
        webhook_timestamp=delivery.webhook_timestamp,
        webhook_signature=delivery.webhook_signature,
        type=recorded.topic,
        body=delivery.body.decode(),
        content_hash=(recorded.content_hash or sha256(recorded.state).digest()).hex(),
        hash=hash_.hex(),
        previous_hash=None if previous is None else previous.hex(),
        kind=fact.kind,
        id=fact.id,
        occurred_at=fact.occurred_at,
        verdict=fact.verdict,
        reason=fact.reason,
        gap=fact.gap,
        from_=fact.from_status,
        to=fact.to_status,
        signature_verified=check(delivery) is None if check and checkable else None,
        erased_by=erased_by,
    )


def _fact(recorded: Row, delivery: Delivery, facts: object) -> _Fact:
    """Find the fact that a delivery tells of, among those of its webhook-id."""
    stream, version, topic, _, position, _, recorded_at, _ = recorded
    event = Event(stream, version, topic, delivery, position, recorded_at)
    try:
        (alone,) = aggregate(stream, [event]).timeline()
    except (KeyError, ValueError) as error:
        raise AuditError(f"position {position}: it is not a delivery of its stream") from error
    shown = msgspec.convert(facts, list[_Fact])
    unshown = _Fact(alone.kind, alone.id, alone.occurred_at)
    return next((one for one in shown if (one.kind, one.id) == (alone.kind, alone.id)), unshown)
