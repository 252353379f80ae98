"""`raphus rebuild`: what it prints, its exit codes, and a read model that is changed by it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING

import psycopg
import pytest

from domain.aggregates.subscription import SubscriptionEntity
from migrations import runner
from tests.support.histories import said
from tests.support.program import RAPHUS, code_on, copied_code, environment, raphus
from tests.support.projected import project, record, shown
from tests.support.rebuilds import nothing_is_left, tamper
from tests.support.waiting import GUARD_S, until

if TYPE_CHECKING:
    from pathlib import Path

PAGE = "how-to-change-a-read-model.md"
BLOCKED = """
    SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database()
    AND application_name = 'raphus-rebuild' AND wait_event_type = 'Lock'
"""


@pytest.fixture
def env(database: str, tmp_path: Path) -> dict[str, str]:
    return environment(tmp_path / "home", DATABASE_URL=database)


def test_a_check_tells_what_differs_and_writes_nothing(database: str, env: dict[str, str]) -> None:
    tamper(database)
    before = shown(database)
    ended = raphus("rebuild", "--check", "--json", env=env)
    assert ended.returncode == 1
    assert "fold: " in ended.stderr
    assert "raphus: the read models differ from history: run raphus rebuild" in ended.stderr
    assert "After an upgrade that is due once" in ended.stderr
    told = json.loads(ended.stdout)
    assert told["equal"] is False
    subscriptions = told["tables"]["subscriptions"]
    assert subscriptions["rows"] == len(before["subscriptions"])
    assert subscriptions["changed"]["rows"] == len(subscriptions["changed"]["examples"]) == 1
    assert [told["tables"][table]["equal"] for table in ("refunds", "payments")] == [True, False]
    assert shown(database) == before


def test_a_rebuild_tells_what_it_has_written(database: str, env: dict[str, str]) -> None:
    tamper(database)
    rows = len(shown(database)["subscriptions"])
    ended = raphus("rebuild", "subscriptions", "timeline", env=env)
    assert ended.returncode == 0, ended.stderr
    head, example, *others = ended.stdout.splitlines()
    assert head == f"subscriptions: {rows} rows, 1 changed"
    assert example.startswith("  changed: sub_")
    told = [line.split(":")[0] for line in others]
    assert told == ["timeline", "  removed", "folds", "subscription_counts"]
    checked = raphus("rebuild", "--check", "subscriptions", "timeline", env=env)
    assert checked.returncode == 0
    assert checked.stdout.splitlines()[0] == f"subscriptions: {rows} rows, equal"
    assert raphus("rebuild", "--check", env=env).returncode == 1, "payments differ still"


def test_what_is_no_read_model_is_wrong_usage(env: dict[str, str]) -> None:
    ended = raphus("rebuild", "subscription", env=env)
    assert ended.returncode == 2
    assert "must be one of subscriptions, payments" in ended.stderr


def test_a_log_with_a_hole_is_a_failure(database: str, env: dict[str, str]) -> None:
    tamper(database)
    with psycopg.connect(database) as conn:
        conn.execute("DELETE FROM raphus.ledger_events WHERE notification_id = 3")
    ended = raphus("rebuild", env=env)
    assert ended.returncode == 1
    assert "raphus: nothing has changed: of the" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_interrupted_it_changes_nothing_and_is_quiet(database: str, env: dict[str, str]) -> None:
    tamper(database)
    before = shown(database)
    with psycopg.connect(database) as conn, psycopg.connect(database, autocommit=True) as looking:
        conn.execute("LOCK TABLE raphus.ledger_events")  # so that it cannot go on
        with subprocess.Popen(
            [RAPHUS, "rebuild"], env=env, stderr=subprocess.PIPE, start_new_session=True
        ) as process:
            until(lambda: looking.execute(BLOCKED).fetchone() == (True,))
            # As a terminal does: to all of the group.
            os.killpg(process.pid, signal.SIGINT)
            _, said_ = process.communicate(timeout=GUARD_S)
    assert (process.returncode, said_) == (130, b"")
    until(lambda: nothing_is_left(database))
    assert shown(database) == before


@pytest.mark.long
def test_a_read_model_is_changed_as_the_page_says(
    database: str, env: dict[str, str], tmp_path: Path
) -> None:
    about = [(f"sub_{n}", f"brand_{n % 3}") for n in range(30)]
    deliveries = [
        said("subscription.active", 0, f"msg_{sub}", subscription_id=sub, brand_id=brand)
        for sub, brand in about
    ]
    record(database, deliveries)
    project(database)
    changed = changed_program(tmp_path / "changed")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return raphus(*arguments, env=env, code=changed)

    assert "subscription_brands" in run("migrate").stdout
    assert run("rebuild", "--check").returncode == 1
    rebuilt = run("rebuild", "subscriptions", "holdings", "--json")
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert json.loads(rebuilt.stdout)["tables"]["subscriptions"]["changed"]["rows"] == 30
    with psycopg.connect(database) as conn:
        rows = conn.execute("SELECT subscription_id, brand_id FROM raphus.subscriptions").fetchall()
        view = conn.execute("SELECT * FROM raphus.active_subscriptions").description or []
    assert sorted(rows) == sorted(about)
    assert run("rebuild", "--check").returncode == 0
    names = ["product_name", "scheduled_product_name"]
    fields = [*SubscriptionEntity.__struct_fields__, *names, "brand_id"]
    # What all objects have since stands behind what the table had before.
    assert sorted(column.name for column in view) == sorted(fields)
    assert view[-1].name == "brand_id"


def changed_program(folder: Path) -> Path:
    """Copy the program, and add a column to a read model there, with the code of the page."""
    copied_code(folder, "domain", "migrations")
    entity = folder / "domain" / "aggregates" / "subscription.py"
    last = "    anomaly: str | None\n"
    source = entity.read_text("utf-8")
    assert source.count(last) == 1
    entity.write_text(source.replace(last, f"{last}    {code_on(PAGE, 'python')}"), "utf-8")
    number = len(runner.read()) + 1
    migration = folder / "migrations" / f"{number:04}_subscription_brands.sql"
    migration.write_text(code_on(PAGE, "sql"), "utf-8")
    return folder
