"""Measures targets, prints the table, and with --write puts each line into docs/performance.md."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import make_conninfo
from rich.console import Console

from migrations.runner import migrate
from postgres.embedded import EmbeddedPostgres
from tests.benchmarks import (
    access,
    announcements,
    anomalies,
    commits,
    dodo,
    exports,
    fold,
    growth,
    history,
    ingest,
    lag,
    ledger,
    pages,
    past,
    processes,
    projections,
    queries,
    rebuild,
    revenue,
    screen,
    table,
    verification,
    windmill,
)
from tests.benchmarks.machine import described, taken_by_others
from tests.benchmarks.measure import Result

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    Benchmark: TypeAlias = Callable[[str], Result | list[Result]]

BENCHMARKS: tuple[Benchmark, ...] = (
    ingest.against_verifying_only,
    ingest.of_old_subscriptions,
    ingest.of_one_client_against_a_bare_commit,
    ingest.against_a_transaction_a_request,
    processes.against_one,
    fold.against_decoding,
    ledger.save_against_copy,
    ledger.with_the_chain_against_without,
    commits.against_a_bare_commit,
    projections.against_the_librarys_runner,
    history.over_history,
    history.burst_over_old_objects,
    history.of_busy_objects,
    history.of_one_long_stream,
    queries.against_a_bare_select,
    lag.of_new_objects,
    lag.of_old_subscriptions,
    growth.of_the_log,
    rebuild.against_copy_out_and_the_librarys_runner,
    rebuild.of_ten_times_the_events,
    verification.against_copy_out,
    past.active_on_a_date,
    access.of_one_of_many_customers,
    anomalies.of_many_subscriptions,
    announcements.beside_the_read_models,
    pages.of_many_subscriptions,
    screen.from_commit_to_screen,
    dodo.import_against_reading,
    revenue.a_year_by_months,
    revenue.of_many_subscriptions,
    exports.against_copy_out,
    windmill.against_windmills_limit,
    windmill.against_an_endpoints_limit,
    windmill.from_webhook_to_job,
)


def main() -> int:
    """Run the benchmarks; the exit code tells nothing of the targets."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "--write", action="store_true", help="update these lines of docs/performance.md"
    )
    parser.add_argument("names", nargs="*", help="only those whose names contain one of these")
    args = parser.parse_args()
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as home, EmbeddedPostgres(Path(home)) as server:
        for number, benchmark in enumerate(BENCHMARKS):
            name = _name(benchmark)
            if not args.names or any(wanted in name for wanted in args.names):
                found = _measured(benchmark, server.url, f"bench_{number}")
                lines += found
                if args.write:  # at once: what fails later loses nothing
                    table.write(found)
    print("".join(f"{line}\n" for line in (*table.HEAD, *lines)), end="")
    return 0


def _measured(benchmark: Benchmark, url: str, database: str) -> list[str]:
    """Run a benchmark in a database of its own, and return its lines of the table."""
    console = Console(stderr=True)
    console.print(f"measuring: {_name(benchmark).replace('_', ' ')} …")
    before = taken_by_others()
    measured = benchmark(_fresh(url, database))
    on = described(_name(benchmark).partition(" ")[0], before, taken_by_others())
    found = [measured] if isinstance(measured, Result) else measured
    lines = [table.line(result, on) for result in found]
    console.print("\n".join(lines))
    return lines


def _name(benchmark: Benchmark) -> str:
    return f"{benchmark.__module__.rpartition('.')[2]} {benchmark.__name__}"


def _fresh(url: str, name: str) -> str:
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name}")
    conninfo = make_conninfo(url, dbname=name)
    migrate(conninfo)
    return conninfo


if __name__ == "__main__":
    sys.exit(main())
