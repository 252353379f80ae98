"""`raphus export`: into files that are whole or not there, through kills, in little memory."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest

from ledger.backup.new_file import UNFINISHED
from tests.support.http_server import copied
from tests.support.past import told_twice
from tests.support.program import RAPHUS, begun, environment, raphus, unread
from tests.support.projected import project, record, simulated
from tests.support.samples import PROJECT
from tests.support.two_ways import Shop
from tests.support.waiting import GUARD_S
from tests.support.warehouse import leftovers, loaded, manifest_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MORE: Final = """
    INSERT INTO raphus.subscriptions
    SELECT more.*
    FROM (SELECT to_jsonb(t) AS first FROM raphus.subscriptions AS t LIMIT 1) AS one,
        generate_series(%s::bigint, %s) AS n,
        jsonb_populate_record(NULL::raphus.subscriptions, first || jsonb_build_object(
            'subscription_id', 'sub_' || n, 'first_position', 1000000 + n
        )) AS more
"""
FEW, MANY = 1_000, 10_000
GROWTH_KIB: Final = 24 * 1024
"""Ten times the rows may take so much more; as objects they would take 54 MiB."""
STATUS: Final = Path("/proc/self/status")
MEASURE: Final = f"""
import sys
from pathlib import Path
from cli import main
assert main(["export", *sys.argv[1:]]) == 0
print(Path("{STATUS}").read_text().partition("VmHWM:")[2].split()[0])
"""
"""Exports as its arguments say, and prints the most memory that it took."""


@pytest.fixture(scope="module")
def shop(cluster: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    home = tmp_path_factory.mktemp("exports") / "home"
    told = simulated(12)
    with told_twice(cluster, template, told[:150], told[150:]) as past:
        env = environment(home, DATABASE_URL=past.conninfo)
        yield Shop(past.server, env, past.between)


@pytest.fixture
def env(database: str, tmp_path: Path) -> dict[str, str]:
    return environment(tmp_path / "home", DATABASE_URL=database)


def done(*arguments: str, env: Mapping[str, str]) -> Any:  # noqa: ANN401 -- JSON
    """Run a command that must succeed, and return what it tells."""
    ended = raphus("export", *arguments, "--json", env=env)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def everything(shop: Shop, path: str, **query: str) -> list[Any]:
    page = shop.server.get(path, limit=100, **query)
    assert page["next"] is None
    return list(page["items"])


@pytest.mark.parametrize(
    ("name", "options", "query"),
    [
        ("subscriptions", ["--active", "true"], {"active": "true"}),
        ("customers", ["--as-of", "2026-09-01T00:00:00Z"], {"as_of": "2026-09-01T00:00:00Z"}),
        ("refusals", [], {}),
    ],
)
def test_it_writes_what_http_answers(
    name: str, options: list[str], query: dict[str, str], shop: Shop
) -> None:
    written = shop.answered("export", name, "--format", "jsonl", *options)
    assert [json.loads(line) for line in written.splitlines()] == everything(
        shop, f"/v1/{name}", **query
    )


def test_what_was_known_is_built_and_told(shop: Shop) -> None:
    written = shop.answered("export", "payments", "--format", "jsonl", "--known-at", shop.known_at)
    now = shop.answered("export", "payments", "--format", "jsonl")
    assert 0 < written.count("\n") < now.count("\n")
    found = everything(shop, "/v1/payments", known_at=shop.known_at)
    assert [json.loads(line) for line in written.splitlines()] == found


def test_a_file_takes_the_place_of_one_of_its_name_when_it_is_whole(
    shop: Shop, tmp_path: Path
) -> None:
    file = tmp_path / "subscriptions.csv"
    file.write_text("of yesterday")
    told = done("subscriptions", "--output", str(file), env=shop.env)
    rows = list(csv.DictReader(io.StringIO(file.read_bytes().decode(), newline="")))
    assert told == {"file": str(file), "format": "csv", "rows": len(rows)}
    assert rows
    assert file.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == [file.name]  # noqa: PTH208 -- and nothing else


def test_one_that_fails_leaves_the_file_of_before(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "mrr.csv"
    file.write_text("of yesterday")
    arguments = ["revenue/movements", "--converted", "true", "--output", str(file)]
    ended = raphus("export", *arguments, env=shop.env)
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith("raphus: there are no rates")
    assert file.read_text() == "of yesterday"
    assert [one.name for one in tmp_path.iterdir()] == [file.name]


def test_where_it_cannot_be_written_it_says_so(shop: Shop, tmp_path: Path) -> None:
    ended = raphus("export", "customers", "--output", str(tmp_path / "no" / "x"), env=shop.env)
    assert ended.returncode == 1
    assert "No such file or directory" in ended.stderr
    assert "defect" not in ended.stderr
    blocked = tmp_path / "file"
    blocked.write_text("")
    ended = raphus("export", "--all", str(blocked), env=shop.env)
    assert ended.returncode == 1
    assert "defect" not in ended.stderr


def test_a_pipe_with_a_name_is_written_to(shop: Shop, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = [str(RAPHUS), "export", "customers", "--output", str(pipe)]
    with subprocess.Popen(
        command, env=shop.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        assert pipe.read_bytes().startswith(b"business_id,customer_id,")
        assert process.wait(GUARD_S) == 0


def test_whoever_has_seen_enough_may_go(shop: Shop) -> None:
    code, told = unread("export", "events", env=shop.env)
    assert code == 0
    assert b"raphus:" not in told


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "say what"),
        (["subscriptions", "--limit", "5"], "unrecognized arguments"),
        (["subscriptions", "--format", "xlsx"], "must be one of csv, jsonl, parquet"),
        (["--all", "x", "--format", "xlsx"], "invalid choice"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(
    arguments: list[str], problem: str, shop: Shop
) -> None:
    ended = raphus("export", *arguments, env=shop.env)
    assert ended.returncode == 2
    assert problem in ended.stderr


def test_everything_is_told_as_it_goes_and_in_the_end(shop: Shop, tmp_path: Path) -> None:
    folder = tmp_path / "all"
    ended = raphus("export", "--all", str(folder), env=shop.env)
    assert ended.returncode == 0
    assert "export events: " in ended.stderr
    assert ended.stdout.startswith(f"{folder} shows the log up to position ")
    told = done("--all", str(folder), env=shop.env)
    manifest = manifest_of(folder)
    assert told == {
        "folder": str(folder),
        "format": "jsonl",
        "position": manifest["position"],
        "run": 2,
        "rows": 0,
        "files": 0,
    }
    assert folder.stat().st_mode & 0o777 == 0o700


def test_killed_at_any_moment_it_goes_on(
    database: str, env: dict[str, str], tmp_path: Path
) -> None:
    chance = random.Random(1)
    told = simulated(25)
    folder = tmp_path / "all"
    killed = 0
    for number in range(8):
        record(database, told[number * 100 : (number + 1) * 100])
        project(database)
        waits_for = chance.choice(["state.sqlite*", f"*/*{UNFINISHED}", f"*/*{number + 1:06}-*"])
        with begun("export", "--all", str(folder), env=env) as process:
            while process.poll() is None and not list(folder.glob(waits_for)):
                time.sleep(0.001)
            time.sleep(chance.uniform(0, 0.02))
            process.kill()
            killed += process.wait(GUARD_S) == -signal.SIGKILL
        if (folder / "manifest.json").exists():
            loaded(folder)
    assert killed >= 4
    # What is left in the database of the dead one goes when its server process notices.
    done("--all", str(folder), env=env)
    done("--all", str(tmp_path / "whole"), env=env)
    assert loaded(folder) == loaded(tmp_path / "whole")
    assert not leftovers(folder)


def peak_kib(*arguments: str, env: Mapping[str, str]) -> int:
    """Export in a process that has loaded nothing else, and return the most memory that it had."""
    command = [sys.executable, "-c", MEASURE, *arguments]
    ended = subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, check=True)
    return int(ended.stdout.split()[-1])


@pytest.mark.long
@pytest.mark.skipif(not STATUS.exists(), reason="tells the peak on Linux only")
def test_ten_times_the_rows_take_little_more_memory(
    cluster: str, template: str, tmp_path: Path
) -> None:
    commands = {
        "csv": ["subscriptions", "--format", "csv", "--output", str(tmp_path / "csv")],
        "parquet": ["subscriptions", "--format", "parquet", "--output", str(tmp_path / "parquet")],
        "all": ["--all", str(tmp_path / "all"), "--anew"],
    }
    with copied(cluster, template) as conninfo:
        record(conninfo, simulated(3))
        project(conninfo)
        env = environment(tmp_path / "home", DATABASE_URL=conninfo)
        peaks: list[dict[str, int]] = []
        for first, last in ((1, FEW), (FEW + 1, MANY)):
            with psycopg.connect(conninfo) as conn:
                conn.execute(MORE, [first, last])
            peaks.append({name: peak_kib(*one, env=env) for name, one in commands.items()})
            assert manifest_of(tmp_path / "all")["tables"]["subscriptions"]["rows"] > last
    few, many = peaks
    grown = {name: many[name] - few[name] for name in commands}
    assert all(kib < GROWTH_KIB for kib in grown.values()), (grown, few)
