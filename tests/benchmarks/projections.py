"""Benchmark: the live follower against the library's own runner, writing the same rows."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

import psycopg
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from psycopg.conninfo import conninfo_to_dict

from domain.delivery import Delivery
from ledger.application import Ledger
from ledger.mapper import LedgerMapper
from projections.live.follower import Follower
from projections.live.upsert import Replacement
from projections.read_models.catalogue import READ_MODELS
from simulator import merchant
from tests.benchmarks.measure import Result, medians

if TYPE_CHECKING:
    from eventsourcing.utils import EnvType

    from domain.event import Event
    from projections.read_model import Row

_CUSTOMERS = 150
_LIBRARY_EVENTS = 400
_BATCH = 500
_PATIENCE_S = 120.0
_NOW = datetime(2026, 11, 1, tzinfo=UTC)


def against_the_librarys_runner(conninfo: str) -> Result:
    """Measure events/s of both over the log of a simulated merchant."""
    fill(conninfo, _CUSTOMERS)
    ours, librarys = medians(lambda: _follow(conninfo), lambda: run_the_librarys(conninfo))
    detail = f"{ours:,.0f} against {librarys:,.0f} events/s"
    what = "live projections ÷ the library's ProjectionRunner"
    return Result(what, ours / librarys, 30, False, detail)


def fill(conninfo: str, customers: int) -> int:
    """Record the deliveries of a simulated merchant, and return how many there are."""
    ledger = Ledger(conninfo)
    occurred = merchant(1, customers=customers, until=_NOW)
    for batch in (occurred[n : n + _BATCH] for n in range(0, len(occurred), _BATCH)):
        ledger.record([Delivery(o.webhook_id, "1777636800", "v1,none", o.body) for o in batch])
    ledger.close()
    with psycopg.connect(conninfo, autocommit=True) as conn:
        conn.execute("VACUUM ANALYZE raphus.ledger_events")
    return len(occurred)


def _follow(conninfo: str) -> float:
    _forget(conninfo)
    follower = Follower(conninfo, LedgerMapper())
    began, events = time.perf_counter(), 0
    while taken := follower.run_once():
        events += taken
    took_s = time.perf_counter() - began
    follower.stop()
    return events / took_s


def run_the_librarys(conninfo: str) -> float:
    """Return the events/s of the library's runner over the log's first few hundred events."""
    _forget(conninfo)
    parameters = conninfo_to_dict(conninfo)
    env = {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": str(parameters["dbname"]),
        "POSTGRES_HOST": str(parameters["host"]),
        "POSTGRES_PORT": str(parameters.get("port", 5432)),
        "POSTGRES_USER": str(parameters["user"]),
        "POSTGRES_PASSWORD": "",
        "POSTGRES_SCHEMA": "raphus",
        "ORIGINATOR_ID_TYPE": "text",
        "CREATE_TABLE": "no",
        "CONNINFO": conninfo,
    }
    _Rows.ledger = Ledger(conninfo)
    began = time.perf_counter()
    with ProjectionRunner(
        application_class=_Ledger, view_class=_View, projection_class=_Rows, env=env
    ) as runner:
        runner.wait(_LIBRARY_EVENTS, timeout=_PATIENCE_S)
        events = runner.view.max_tracking_id(Ledger.name) or 0
        took_s = time.perf_counter() - began
    _Rows.ledger.close()
    return events / took_s


def _forget(conninfo: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as conn:
        for model in READ_MODELS:
            conn.execute(f"TRUNCATE raphus.{model.table}")
        conn.execute(
            "UPDATE raphus.projections_tracking SET notification_id = 0, events = DEFAULT,"
            " hash = DEFAULT WHERE application_name = 'ledger'"
        )


class _Ledger(Ledger):
    name = Ledger.name

    def __init__(self, env: EnvType | None = None) -> None:
        super().__init__((env or {})["CONNINFO"])


class _View(PostgresTrackingRecorder):
    """The same rows, by the same statements, one event a transaction."""

    def replace(self, rows: dict[str, list[Row]], tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as curs:
            for replacement in _REPLACEMENTS:
                if written := rows[replacement.model.table]:
                    replacement.write(curs.connection, written)
            self._insert_tracking(curs, tracking)


class _Rows(Projection[_View]):
    name = "projections"
    ledger: ClassVar[Ledger]

    def process_event(self, domain_event: Event, tracking: Tracking) -> None:
        one = self.ledger.aggregate(domain_event.originator_id)
        kind = one.id.partition("/")[0]
        rows = {m.table: m.rows(one) if kind in m.streams else [] for m in READ_MODELS}
        self.view.replace(rows, tracking)


_REPLACEMENTS = [Replacement(model, "raphus") for model in READ_MODELS]
