"""The events of the log behind those that were written, and those that an erasure has emptied."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, Final, cast

from api.exports.warehouse.state import Change
from api.exports.warehouse.tables import ERASURES, EVENTS
from api.exports.warehouse.writing import Files
from domain.aggregates.erasure import TOPIC, read_erasure
from domain.delivery import ErasedDelivery
from domain.stream_id import parts_of
from ledger.mapper import COLUMNS, LedgerMapper

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    import msgspec
    from psycopg import Connection

    from api.exports.warehouse.writing import Run
    from domain.event import Event
    from telemetry.progress import Progress

EVENTS_TO: Final = "events_to"
ERASURES_TO: Final = "erasures_to"
"""Up to which positions both were written."""
_PHASE: Final = f"export {EVENTS.name}"
FETCH_ROWS: Final = 16
"""So many rows are held before they are decoded; a body may have 1 MiB."""
BATCH_ROWS: Final = 1_000
BATCH_BYTES: Final = 4 * 2**20
EMPTIED_AT_ONCE: Final = 1_000
_SELECT: Final = f"SELECT {COLUMNS} FROM raphus.ledger_events WHERE"  # noqa: S608 -- constants
_BEHIND: Final = (
    f"{_SELECT} notification_id > %s AND notification_id <= %s ORDER BY notification_id"
)
_AT: Final = f"{_SELECT} notification_id = ANY (%s) ORDER BY notification_id"
_ERASURES: Final = (
    f"{_SELECT} topic BETWEEN '{TOPIC}' AND '{TOPIC}'"
    " AND notification_id > %s AND notification_id <= %s ORDER BY topic, notification_id"
)
_decode: Final = LedgerMapper().decode


def follow(conn: Connection[Any], run: Run, progress: Progress) -> None:
    """Write what the log has had since, up to the run's position, in the caller's transaction.

    Events that were written and were emptied since are written again, as they are left.

    Raises:
        OSError: the files cannot be written.
        psycopg.Error: the database went away.
    """
    events, erasures = Files(run, EVENTS), Files(run, ERASURES)
    try:
        written_to = int(run.state.noted(EVENTS_TO) or 0)
        for erasure in _erasures(conn, run):
            _write_emptied(conn, run, events, _emptied_by(erasure, written_to))
            row = _erased(run, erasure)
            erasures.add([row], [Change(str(erasure.position).encode(), b"")])
        events.end()
        erasures.end({ERASURES_TO: run.position})
        _write_behind(conn, run, events, written_to, progress)
    finally:
        events.give_up()
        erasures.give_up()


def _write_behind(
    conn: Connection[Any], run: Run, files: Files, written_to: int, progress: Progress
) -> None:
    total = run.position - written_to
    with closing(_stream(conn, _BEHIND, [written_to, run.position])) as events:
        for batch in _batches(events):
            reached = batch[-1].position or 0
            files.add([_row(run, one) for one in batch], [], {EVENTS_TO: reached})
            progress(_PHASE, reached - written_to, total)
    files.end({EVENTS_TO: run.position})
    progress(_PHASE, total, total)


def _write_emptied(conn: Connection[Any], run: Run, files: Files, positions: list[int]) -> None:
    for first in range(0, len(positions), EMPTIED_AT_ONCE):
        some = positions[first : first + EMPTIED_AT_ONCE]
        with closing(_stream(conn, _AT, [some])) as events:
            for batch in _batches(events):
                files.add([_row(run, one) for one in batch], [])


def _erasures(conn: Connection[Any], run: Run) -> Iterator[Event]:
    """Yield the erasures that were not looked at, one in memory at a time."""
    after = int(run.state.noted(ERASURES_TO) or 0)
    statement = f"{_ERASURES} LIMIT 1".encode()
    while True:
        with conn.cursor(binary=True) as cursor:
            row = cursor.execute(statement, [after, run.position]).fetchone()
        if row is None:
            return
        event = _decode(*row)
        after = event.position or 0
        yield event


def _emptied_by(erasure: Event, written_to: int) -> list[int]:
    emptied = (position for position, _ in read_erasure(erasure.delivery).emptied())
    return [position for position in emptied if position <= written_to]


def _stream(
    conn: Connection[Any], statement: str, parameters: list[Any]
) -> Generator[Event, None, None]:
    with conn.cursor(binary=True) as cursor:
        rows = cursor.stream(statement.encode(), parameters, size=FETCH_ROWS)
        with closing(cast("Generator[tuple[Any, ...], None, None]", rows)):
            for row in rows:
                yield _decode(*row)


def _batches(events: Iterable[Event]) -> Iterator[list[Event]]:
    batch: list[Event] = []
    batch_bytes = 0
    for event in events:
        batch.append(event)
        batch_bytes += len(event.delivery.body)
        if len(batch) == BATCH_ROWS or batch_bytes >= BATCH_BYTES:
            yield batch
            batch, batch_bytes = [], 0
    if batch:
        yield batch


def _row(run: Run, event: Event) -> msgspec.Struct:
    delivery = event.delivery
    return EVENTS.row(
        run.number,
        run.position,
        False,
        event.position,
        delivery.webhook_id,
        event.topic,
        event.originator_id,
        event.recorded_at,
        delivery.webhook_timestamp,
        delivery.body.decode(),
        delivery.erased_by if isinstance(delivery, ErasedDelivery) else None,
    )


def _erased(run: Run, event: Event) -> msgspec.Struct:
    _, business_id, customer_id = parts_of(event.originator_id)
    return ERASURES.row(
        run.number,
        run.position,
        False,
        event.position,
        event.delivery.webhook_id,
        business_id,
        customer_id,
        event.recorded_at,
        read_erasure(event.delivery).count,
    )
