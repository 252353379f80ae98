"""Benchmark: exports of many subscriptions, against COPY OUT of the same table."""

from __future__ import annotations

import http.client
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psycopg

from api.exports.warehouse.exporting import export_all
from telemetry.progress import silent
from tests.benchmarks.measure import Result, medians, seconds
from tests.benchmarks.projected import project
from tests.benchmarks.servers import real, serving
from tests.support.histories import delivery
from tests.support.samples import samples

if TYPE_CHECKING:
    from collections.abc import Callable

_SUBSCRIPTIONS: Final = 100_000
_ROUNDS: Final = 5
_TAKEN_BYTES: Final = 2**20
# As the read model has them, by which it is read: to fold so many would take longer than the rest.
_MORE: Final = """
    INSERT INTO raphus.subscriptions
    SELECT (jsonb_populate_record(NULL::raphus.subscriptions, first || jsonb_build_object(
        'subscription_id', 'sub_' || n, 'customer_id', 'cus_' || n / 2, 'first_position', n + 100
    ))).*
    FROM (SELECT to_jsonb(t) AS first FROM raphus.subscriptions AS t) AS one,
        generate_series(2, %s::bigint) AS n
"""


def against_copy_out(conninfo: str) -> list[Result]:
    """Measure exports over HTTP in two formats; and of everything, a run that finds no change."""
    project(conninfo, [delivery(samples()["subscription.active"])])
    with psycopg.connect(conninfo, autocommit=True) as conn:
        conn.execute(_MORE, [_SUBSCRIPTIONS])
        conn.execute("VACUUM ANALYZE raphus.subscriptions")
        with serving(real, conninfo) as port:
            csv_s, jsonl_s, copied_s = medians(
                lambda: seconds(_export(port, "csv")),
                lambda: seconds(_export(port, "jsonl")),
                lambda: seconds(lambda: _copy_out(conn)),
                rounds=_ROUNDS,
            )
    return [
        _result("CSV export of subscriptions ÷ COPY OUT of the table", csv_s, copied_s, 0.1),
        _result("JSON Lines export of the same ÷ COPY OUT", jsonl_s, copied_s, None),
        _comparing(conninfo, copied_s),
    ]


def _result(what: str, took_s: float, copied_s: float, target: float | None) -> Result:
    rates = f"{_SUBSCRIPTIONS / took_s:,.0f} against {_SUBSCRIPTIONS / copied_s:,.0f} rows/s"
    return Result(what, copied_s / took_s, target, False, rates)


def _comparing(conninfo: str, copied_s: float) -> Result:
    """Measure how long it takes to find that nothing has changed since everything was exported."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "all"
        whole_s = seconds(lambda: export_all(conninfo, folder, None, silent, anew=False))
        (again_s,) = medians(
            lambda: seconds(lambda: export_all(conninfo, folder, None, silent, anew=False)),
            rounds=3,
        )
        shutil.rmtree(folder)
    result = _result(
        "export of everything that finds no change ÷ COPY OUT", again_s, copied_s, None
    )
    return result._replace(detail=f"{result.detail}; the first run took {whole_s:.1f} s")


def _export(port: int, format_: str) -> Callable[[], None]:
    def take() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        connection.request("GET", f"/v1/exports/subscriptions?format={format_}")
        response = connection.getresponse()
        lines = 0
        while data := response.read(_TAKEN_BYTES):
            lines += data.count(b"\n")
        connection.close()
        assert lines == _SUBSCRIPTIONS + (format_ == "csv")

    return take


def _copy_out(conn: psycopg.Connection) -> None:
    with conn.cursor().copy("COPY raphus.subscriptions TO STDOUT") as rows:
        for _ in rows:
            pass
