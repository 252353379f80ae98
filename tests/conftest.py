"""The database that tests run on: one cluster a session, a fresh migrated copy for each test."""

from __future__ import annotations

import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from migrations.runner import migrate
from postgres.embedded import EmbeddedPostgres
from telemetry.interpreter import loading
from tests.support import prepared
from tests.support.browser import LEFT_OUT
from tests.support.collecting import dealt, is_long, read_share, told
from tests.support.http_server import copied
from tests.support.scratch import scratch
from tests.support.waiting import GUARD_S

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

# A busy machine is no reason for a test to fail, and neither is chance. Examples of one test may
# share its database. `--hypothesis-profile=explore` draws others each time, `fast` a few of them.
EXAMPLES = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("explore", EXAMPLES, derandomize=False)
settings.register_profile("raphus", EXAMPLES, derandomize=True, database=None)
settings.register_profile("fast", EXAMPLES, derandomize=True, database=None, max_examples=15)
settings.load_profile("raphus")
PATIENT = (
    "api.http.uvicorn_protocol.HEAD_TIMEOUT_S",
    "api.queries.database.ANSWER_S",
    "api.queries.freshness.WAIT_S",
    "api.queries.snapshot_cache.WAIT_S",
    "api.webhooks.endpoint.ANSWER_S",
    "api.webhooks.request_body.READ_TIMEOUT_S",
    "ledger.application.BATCH_S",
    "ledger.application.CHECK_S",
    "ledger.application.PATIENCE_S",
    "ledger.batch_writer.SLOW_S",
    "projections.rebuild.rebuild.ALONE_AFTER_S",
)
"""After so long it is given up, for somebody waits; a test that is about it shortens it."""

SETTINGS = {
    "max_wal_size": "128MB",  # of what nobody recovers, no more is kept: it may be in memory
    "min_wal_size": "32MB",
    "file_copy_method": "clone",
}

CATALOGUE = """
    SELECT relname FROM pg_class
    WHERE relkind = 'r' AND NOT relisshared AND relnamespace = 'pg_catalog'::regnamespace
"""
"""What a migration leaves behind in these, and maps of what is free in them, is a ninth of what a
copy takes."""


def pytest_configure(config: pytest.Config) -> None:
    """Hear Ctrl-C, and let programs that tests start hear it, in a shell's background too."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if address := told(config).get("prepared"):
        prepared.borrow(address)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:  # noqa: ANN401 -- of xdist, which says no type
    """Let all workers have their commands run by one process, which this one stops."""
    node.workerinput["prepared"] = prepared.lend()


def pytest_unconfigure() -> None:
    """Stop what was lent to workers: all have ended."""
    prepared.stop()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was left out that another machine would have run, and how to have it."""
    skipped = terminalreporter.stats.get("skipped", [])
    count = sum(LEFT_OUT in str(report.longrepr) for report in skipped)
    if count:
        terminalreporter.write_line(f"{count} tests did not run: {LEFT_OUT}", yellow=True)


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Do not look for garbage among what is collected, which stays: a third of the time it took."""
    with loading():
        read_share(session.config)
        return (yield)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let workers begin with what is long, and give it its time."""
    items[:] = dealt(config, items)
    for item in filter(is_long, items):
        item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session", autouse=True)
def patience() -> Iterator[None]:
    """Give up nothing in this process for being slow."""
    with pytest.MonkeyPatch.context() as patch:
        for limit in PATIENT:
            patch.setattr(limit, GUARD_S)
        yield


@pytest.fixture(scope="session", autouse=True)
def commands() -> Iterator[None]:
    """Let what runs commands, what rebuilds start, and what is kept running, end with the tests."""
    forked = prepared.starting()
    with pytest.MonkeyPatch.context() as patch:
        for module in ("projections.rebuild.workers", "telemetry.kept_process"):
            patch.setattr(f"{module}.child", forked)
        yield
    prepared.stop()


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """Start a cluster that does not care for the disk, and give its `postgres` database."""
    with (
        tempfile.TemporaryDirectory(prefix="raphus-test-", dir=scratch()) as folder,
        EmbeddedPostgres(Path(folder), durable=False, tcp=True) as server,
    ):
        conninfo = make_conninfo(server.url, dbname="postgres")
        with psycopg.connect(conninfo, autocommit=True) as conn:
            for setting, value in SETTINGS.items():
                conn.execute(f"ALTER SYSTEM SET {setting} = '{value}'".encode())
            conn.execute("SELECT pg_reload_conf()")
        yield conninfo


@pytest.fixture(scope="session")
def template(cluster: str) -> str:
    """Make a database with every migration applied, which is copied and never used."""
    with psycopg.connect(cluster, autocommit=True) as conn:
        conn.execute("CREATE DATABASE migrated STRATEGY file_copy")
    migrated = make_conninfo(cluster, dbname="migrated")
    migrate(migrated)
    with psycopg.connect(migrated, autocommit=True) as conn:
        for (table,) in conn.execute(CATALOGUE).fetchall():
            conn.execute(SQL("VACUUM (FULL) {}").format(Identifier(table)))
    with psycopg.connect(migrated):
        pass  # who connects first leaves what PostgreSQL then begins with, which is copied, too
    return "migrated"


@pytest.fixture
def database(cluster: str, template: str) -> Iterator[str]:
    """Give a database of the test's own, with every table and no rows."""
    with copied(cluster, template) as conninfo:
        yield conninfo


@pytest.fixture
def empty(cluster: str) -> Iterator[str]:
    """Give a database in which nothing is."""
    with copied(cluster, "template0") as conninfo:
        yield conninfo
